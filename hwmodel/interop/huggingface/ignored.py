"""Keys of config.json files that change no dimension of the language model, each with the reason."""

from __future__ import annotations

_BY_REASON: dict[str, tuple[str, ...]] = {
    "names and versions of classes and files": (
        "task_specific_params", "init_config", "tokenizer_name", "gradient_checkpointing", "onnx_safe", "seq_length",
        "architectures", "auto_map", "model_type", "transformers_version", "torch_dtype", "dtype", "use_cache",
        "cache_implementation", "id2label", "label2id", "_attn_implementation", "output_hidden_states", "num_labels",
        "output_attentions", "return_dict", "return_last_states", "num_logits_to_keep", "chunk_size_feed_forward",
        "attn_implementation", "attn_implementation_autoset", "use_flash_attn", "attn_impl", "_name_or_path",
        "problem_type",
    ),
    "classes for tasks other than text": (
        "classifier_dropout", "classifier_bias", "classifier_activation", "summary_type", "summary_use_proj",
        "summary_activation", "summary_proj_to_labels", "summary_first_dropout", "finetuning_task",
    ),
    "decoding, a matter of each request": (
        "max_length", "min_length", "num_beams", "num_beam_groups", "top_k", "top_p", "temperature", "do_sample",
        "repetition_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "num_return_sequences",
        "bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "length_penalty", "diversity_penalty", "typical_p",
    ),
    "the activation has no parameters, the family says whether it is gated": (
        "hidden_act", "hidden_activation", "activation_function", "mlp_hidden_act", "mamba_hidden_act",
        "hidden_mamba_act", "activation", "afn", "expert_selection_fn", "activation_fn_name", "activation_situ_beta",
        "activation_situ_linear_beta", "shared_moe_mode", "swiglu_alpha", "swiglu_limit", "activation_sparsity_pattern",
        "output_gate_type", "swiglu_limits", "swiglu_limits_shared",
    ),
    "small numbers of norms": (
        "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon", "eps", "hc_eps",
        "normalization_layer_name", "postnorm", "rms_norm_eps_moe_gate", "mixer_rms_eps",
        "norm_reduction_force_float32", "norm_type", "rms_norm_epsilon", "layernorm_epsilon",
    ),
    "positions turn queries and keys, whatever their base": (
        "rope_parameters", "rope_scaling", "rope_theta", "rope_local_base_freq", "rotary_dim", "rotary_pct",
        "rotary_emb_base", "partial_rotary_factor", "original_max_position_embeddings", "layer_rope_theta",
        "no_rope_layers", "no_rope_layer_interval", "compress_rope_theta", "rope_interleave", "position_embedding_type",
        "alibi", "use_mem_rope", "attn_temperature_tuning", "attn_scale", "rope_pct", "rotary_base", "use_rope",
        "rope_freq_constant", "rope_max_length", "mla_use_nope", "attn_uses_sequence_id", "alibi_bias_max",
        "swa_rope_theta", "log_scaling_n_floor", "log_scaling_alpha", "rope_theta_local", "yarn_only_types",
        "indexer_rope_interleave",
    ),
    "factors on activations": (
        "embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling", "logit_scale",
        "query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping", "scale_embedding", "scale_emb",
        "scale_depth", "dim_model_base", "attention_value_scale", "embedding_scale", "mlp_multipliers",
        "ssm_multipliers", "attention_in_multiplier", "attention_out_multiplier", "lm_head_multiplier",
        "key_multiplier", "ssm_in_multiplier", "ssm_out_multiplier", "full_attn_alpha_factor", "full_attn_beta_factor",
        "linear_attn_alpha_factor", "linear_attn_beta_factor", "mlp_alpha_factor", "mlp_beta_factor",
        "layernorm_full_attention_alpha", "layernorm_full_attention_beta", "layernorm_linear_attention_alpha",
        "layernorm_linear_attention_beta", "layernorm_mlp_alpha", "layernorm_mlp_beta", "scale_attn_weights",
        "scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "attention_softmax_in_fp32", "hc_magnitude",
        "scale_attention_softmax_in_fp32", "logits_mup_width_multiplier", "gate_soft_cap", "output_logit_soft_cap",
        "mlp_gate_softcap", "mlp_up_softcap", "logits_soft_cap", "embedding_fraction", "rescale_every", "mup_enabled",
        "clip_qkv", "softmax_scale", "gate_lower_bound", "qk_l2_clip_threshold", "rel_l2_clip_threshold",
        "hc_sinkhorn_iters", "altup_coef_clip", "altup_active_idx",
    ),
    "how routers score and weigh experts": (
        "norm_topk_prob", "routed_scaling_factor", "moe_routed_scaling_factor", "router_scaling_factor", "scoring_func",
        "topk_method", "moe_renormalize", "moe_norm_min", "router_jitter_noise", "input_jitter_noise", "moe_jitter_eps",
        "use_grouped_topk", "route_scale", "router_bias_update_speed", "moe_router_activation_func", "num_hash_layers",
        "enable_moe_fp32_combine", "shared_expert_combination_strategy", "moe_shared_expert_overlap", "score_function",
        "score_func", "moe_apply_router_weight_on_input", "moe_router_logit_softcapping", "norm_expert_weight",
        "moe_router_scaling_factor", "moe_router_use_sigmoid", "use_moe_router_bias", "need_fp32_gate", "router_dtype",
        "moe_router_dtype",
        "moe_router_enable_expert_bias", "normalize_expert_weights", "moe_layer_experts_parallel",
    ),
    "training alone": (
        "ep_size", "skip_bias_add", "skip_bias_add_qkv", "bias_dropout_fusion", "masked_softmax_fusion",
        "attn_dropout_prob", "emb_dropout_prob", "classifier_dropout_prob", "moe_drop_tokens", "token_dropping",
        "moe_token_drop_policy", "num_adapters",
        "initializer_range", "router_aux_loss_coef", "aux_loss_alpha", "aux_loss_coef", "seq_aux", "z_loss_coefficient",
        "output_router_logits", "attention_dropout", "attn_pdrop", "resid_pdrop", "embd_pdrop", "hidden_dropout",
        "hidden_dropout_prob", "attention_probs_dropout_prob", "init_std", "embedding_initializer_range",
        "moe_aux_loss_coeff", "moe_z_loss_coeff", "rescale_prenorm_residual", "w_init_variance_scale", "init_device",
        "final_w_init_variance_scale", "L_bp_cycles", "linear_a_log_min", "linear_a_log_max", "linear_dt_min",
        "linear_dt_max", "linear_dt_init_floor", "linear_allow_neg_eigval", "ngpt_alpha_init", "block_mlp_init_scale",
        "moe_router_aux_loss_coef", "router_z_loss_coef", "mtp_loss_scaling_factor", "lambda_std_dev",
        "init_method_std", "ffn_dropout", "mlp_dropout", "embedding_dropout", "residual_dropout", "attn_dropout",
        "moe_loss_weight", "moe_router_bias_update_rate", "initializer_cutoff_factor", "learnable_sink_init",
        "layerdrop", "pretraining_tp",
    ),
    "steps and kernels of scans": (
        "time_step_min", "time_step_max", "time_step_limit", "time_step_floor", "time_step_scale", "chunk_size",
        "time_step_init_scheme", "use_mamba_kernels", "use_mambapy", "use_associative_scan", "mamba_chunk_size",
        "mamba_ssm_cache_dtype", "mamba_ssm_dtype", "mamba_norm_before_gate", "use_mem_eff_path", "block_size",
        "chunkwise_kernel", "sequence_kernel", "step_kernel", "inference_state_dtype", "max_inference_chunksize",
        "weight_mode", "autocast_kernel_dtype", "mode", "kda_lower_bound", "residual_in_fp32", "number_of_conv_states",
        "fused_rms_norm", "recurrent_kv_cache_mode", "use_long_context",
    ),
    "how many bits the checkpoint has: a serving precision of its own": (
        "quantization_config", "compression_config", "quantization", "expert_dtype",
    ),
    "restates what other keys of the family say": (
        "layer_switch", "order_of_interleaved_layers", "block_dim", "conv_dim", "num_gqa_groups", "qkv_multipliers",
        "use_shared_block_lora", "full_attention_layer_indices", "attention_types",
        "n_output_layers", "n_layers_per_attn_res_block", "prefix_dense_sliding_window_pattern",
        "chain_hidden_post_norm", "mtp_hidden_states_first",
    ),
    "tokens and pictures: what is fed in": (
        "image_size", "image_token_index", "video_token_index", "pad_token_id", "bos_token_id", "eos_token_id",
        "vocabulary_map", "image_seq_length", "multimodal_projector_bias", "projector_hidden_act", "tokenizer_class",
        "org_vocab_size", "dense_list",
        "use_bidirectional_attention", "keep_window_size", "mm_tokens_per_image", "prefix_lm", "image_token_id",
    ),
}  # fmt: skip
IGNORED: dict[str, str] = {key: reason for reason, keys in _BY_REASON.items() for key in keys}
IGNORED_ENDINGS: tuple[str, ...] = ("_token_id", "_token_index", "_token_ids")

# Values that every reader assumes; a file that says otherwise is refused.
ASSUMED: dict[str, object] = {
    "use_gated_activation": True, "block_use_swiglu": True, "use_parallel_block": True, "use_parallel_embedding": True,
    "mamba_use_mlp": True, "no_bias": True, "do_layer_norm_before": True, "layer_norm_elementwise_affine": True,
    "mlp_type": "default", "use_cla": False, "use_rmsnorm": True,
    "moe_router_enable_shared_expert": True, "ffn_with_glu": True, "qk_ln": False, "add_out_norm": True,
    "altup_correct_scale": True, "add_swa_attention_sink_bias": True, "add_full_attention_sink_bias": False,
}  # fmt: skip

# Parts beside the language model that are left out, in the words of the note.
NOTED: dict[str, str] = {
    **dict.fromkeys(
        ("vision_config", "audio_config", "vq_config", "audio_encoder_config", "speech_config", "visual",
         "img_processor",
         "embd_layer", "audio_processor", "vit_config", "vision_tower", "mm_vision_tower"),
        "encoders of other modalities are left out",
    ),
    **dict.fromkeys(("depth_decoder_config", "num_codebooks", "talker_config", "token2wav_config"),
                    "the decoder of sound is left out"),
    **dict.fromkeys(("mtp_config", "mtp_layers_block_type", "mtp_layer_types", "mtp_mlp_layer_types",
                     "mtp_local_layer_ids", "mtp_use_dedicated_embeddings", "mtp_hybrid_override_pattern",
                     "index_share_for_mtp_iteration"),
                    "multi-token prediction layers are left out"),
    "cross_attention_layers": "layers that attend to pictures keep no cache of text and are passed for every token",
}  # fmt: skip
