"""Configurations that others published, their facts re-typed."""

from __future__ import annotations

# pytorch/torchtitan, torchtitan/models/llama3/train_configs/llama3_405b.toml @01424cb.
TITAN_405B = """
[job]
dump_folder = "./outputs"
[model]
name = "llama3"
flavor = "405B"
converters = "float8"
[optimizer]
name = "AdamW"
lr = 8e-5
[training]
batch_size = 2
seq_len = 8192
max_norm = 1.0
steps = 3000
compile = true
dataset = "c4"
[parallelism]
data_parallel_replicate_degree = 1
data_parallel_shard_degree = -1
tensor_parallel_degree = 8  # 8-way TP
enable_async_tensor_parallel = true
pipeline_parallel_degree = 1
context_parallel_degree = 1
[activation_checkpoint]
mode = 'full' # ['none', 'selective', 'full']
[float8]
enable_fsdp_float8_all_gather = true
filter_fqns = "output"
"""

# pytorch/torchtitan, torchtitan/models/deepseek_v3/train_configs/deepseek_v3_671b.toml @0a8d2b0.
TITAN_671B = """
[model]
name = "deepseek_v3"
flavor = "671B"
[training]
local_batch_size = 4
seq_len = 4096
steps = 10_000
[parallelism]
data_parallel_replicate_degree = 1
data_parallel_shard_degree = -1
fsdp_reshard_after_forward = "default" # default / never / always
tensor_parallel_degree = 1
enable_async_tensor_parallel = false
pipeline_parallel_degree = 1
pipeline_parallel_schedule = "Interleaved1F1B"
expert_parallel_degree = 1
expert_tensor_parallel_degree = 1
[activation_checkpoint]
mode = "selective"
selective_ac_option = 'op'
[compile]
enable=true
components = ["loss"]
[quantize.dense.float8]
filter_fqns = ["output", "router.gate"]
"""

# pytorch/torchtitan, torchtitan/models/qwen3/train_configs/qwen3_32b.toml @a48b651.
TITAN_QWEN = """
[model]
name = "qwen3"
flavor = "32B"
hf_assets_path = "./assets/hf/Qwen3-32B"
[training]
local_batch_size = 2
seq_len = 4096
steps = 3000
[training.data]
name = "c4"
[parallelism]
data_parallel_replicate_degree = 1
data_parallel_shard_degree = -1
fsdp_reshard_after_forward = "default" # default / never / always
tensor_parallel_degree = 1
context_parallel_degree = 1
[activation_checkpoint]
mode = "full"
selective_ac_option = "op"
[compile]
enable=false
"""

# pytorch/torchtitan, torchtitan/models/llama3/config_registry.py of release 0.3.0: one of several functions.
TITAN_PYTHON = """
from torchtitan.config import CompileConfig, ParallelismConfig, TrainingConfig
from torchtitan.distributed.activation_checkpoint import FullAC, SelectiveAC
from torchtitan.models.llama3 import model_registry
from torchtitan.trainer import Trainer

def llama3_8b() -> Trainer.Config:
    model_spec = model_registry("8B")
    return Trainer.Config(
        model_spec=model_spec,
        optimizer=default_adamw(lr=3e-4),
        training=TrainingConfig(local_batch_size=1, seq_len=8192, steps=1000),
        activation_checkpoint=SelectiveAC.Config(),
    )

def llama3_70b() -> Trainer.Config:
    model_spec = model_registry("70B")
    return Trainer.Config(
        hf_assets_path="./assets/hf/Llama-3.1-70B",
        model_spec=model_spec,
        optimizer=default_adamw(lr=1.5e-4),
        training=TrainingConfig(local_batch_size=8, seq_len=8192, steps=1000),
        parallelism=ParallelismConfig(tensor_parallel_degree=8),
        checkpoint=CheckpointManager.Config(interval=500),
        activation_checkpoint=FullAC.Config(),
    )
"""

# AI-Hypercomputer/maxtext, configs/gpu/models of release 0.2.5: llama3_70b.yml, llama3.1_405b.yml, mixtral_8x7b.yml.
MAXTEXT = """base_config: "base.yml"
model_name: "{model}"
run_name: "gpu_train_test"
hardware: "gpu"
steps: 30
per_device_batch_size: {batch}
max_target_length: {tokens}
attention: "cudnn_flash_te"
remat_policy: "{policy}"
use_iota_embed: true
dataset_type: "synthetic"
reuse_example_batch: 1
enable_checkpointing: false
max_segments_per_seq: 32
"""

# NVIDIA-NeMo/Megatron-Bridge 0.6.2, recipes/llama/h100/llama3.py and recipes/qwen/h100/qwen3_moe.py.
BRIDGE = """
from megatron.bridge import AutoBridge
from megatron.bridge.recipes.common import _pretrain_common
from megatron.bridge.training.config import ConfigContainer
import torch

def llama3_70b_pretrain_32gpu_h100_bf16_config() -> ConfigContainer:
    cfg = _pretrain_common()
    cfg.model = AutoBridge.from_hf_pretrained("meta-llama/Meta-Llama-3-70B").to_megatron_provider(load_weights=False)
    cfg.tokenizer.tokenizer_type = "NullTokenizer"
    cfg.tokenizer.vocab_size = DEFAULT_NULL_TOKENIZER_VOCAB_SIZE
    cfg.dataset.blend = None  # Pass the path to the dataset here
    cfg.dataset.seq_length = 8192
    cfg.model.tensor_model_parallel_size = 4
    cfg.model.pipeline_model_parallel_size = 4
    cfg.model.pipeline_model_parallel_layout = None
    cfg.model.pipeline_dtype = torch.bfloat16
    cfg.model.virtual_pipeline_model_parallel_size = 5
    cfg.model.context_parallel_size = 2
    cfg.model.sequence_parallel = True
    cfg.model.seq_length = 8192
    cfg.train.train_iters = 1168251
    cfg.train.global_batch_size = 512
    cfg.train.micro_batch_size = 1
    cfg.model.cuda_graph_impl = "none"
    cfg.model.recompute_granularity = None
    cfg.model.offload_modules = None
    cfg.optimizer.main_grads_dtype = torch.float32
    cfg.ddp.use_distributed_optimizer = True
    cfg.ddp.use_megatron_fsdp = False
    cfg.ddp.grad_reduce_in_fp32 = True
    return cfg

def llama3_8b_pretrain_64gpu_h100_bf16_128k_config() -> ConfigContainer:
    cfg = _pretrain_common()
    cfg.model = AutoBridge.from_hf_pretrained("meta-llama/Meta-Llama-3.1-8B").to_megatron_provider(load_weights=False)
    cfg.model.tensor_model_parallel_size = 4
    cfg.model.context_parallel_size = 8
    cfg.model.seq_length = 131072
    cfg.dataset.seq_length = 131072
    cfg.train.global_batch_size = 32
    cfg.train.micro_batch_size = 1
    cfg.mixed_precision = "bf16_with_fp8_current_scaling_mixed"
    return cfg

def qwen3_235b_a22b_pretrain_256gpu_h100_bf16_config() -> ConfigContainer:
    cfg = _pretrain_common()
    cfg.model = AutoBridge.from_hf_pretrained("Qwen/Qwen3-235B-A22B").to_megatron_provider(load_weights=False)
    cfg.model.tensor_model_parallel_size = 4
    cfg.model.pipeline_model_parallel_size = 16
    cfg.model.virtual_pipeline_model_parallel_size = None
    cfg.model.context_parallel_size = 2
    cfg.model.expert_model_parallel_size = 8
    cfg.model.expert_tensor_parallel_size = 1
    cfg.model.sequence_parallel = True
    cfg.model.seq_length = 4096
    cfg.model.account_for_embedding_in_pipeline_split = True
    cfg.model.moe_token_dispatcher_type = "alltoall"
    cfg.model.moe_flex_dispatcher_backend = "deepep"
    cfg.train.global_batch_size = 512
    cfg.train.micro_batch_size = 1
    return cfg
"""

# huggingface/trl, examples/accelerate_configs/fsdp2.yaml @a91c73c and multi_gpu.yaml @8c6669b.
TRL_FSDP2 = """compute_environment: LOCAL_MACHINE
debug: false
distributed_type: FSDP
downcast_bf16: 'no'
enable_cpu_affinity: false
fsdp_config:
  fsdp_activation_checkpointing: false
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_cpu_ram_efficient_loading: true
  fsdp_offload_params: false
  fsdp_reshard_after_forward: true
  fsdp_state_dict_type: SHARDED_STATE_DICT
  fsdp_version: 2
machine_rank: 0
mixed_precision: bf16
num_machines: 1
num_processes: 8
rdzv_backend: static
same_network: true
tpu_env: []
use_cpu: false
"""
TRL_MULTI = TRL_FSDP2.split("fsdp_config")[0].replace("FSDP", "MULTI_GPU") + "mixed_precision: 'no'\nnum_processes: 8\n"

# axolotl-ai-cloud/axolotl, deepspeed_configs/zero3_bf16.json @1aaebb0.
AXOLOTL_ZERO3 = """{
  "zero_optimization": {"stage": 3, "overlap_comm": true, "contiguous_gradients": true, "sub_group_size": 0,
    "reduce_bucket_size": "auto", "prefetch_bucket_size": "auto", "max_live_parameters": 0, "max_reuse_distance": 0,
    "gather_16bit_weights_on_model_save": true},
  "bf16": {"enabled": true},
  "gradient_accumulation_steps": "auto", "gradient_clipping": "auto", "train_batch_size": "auto",
  "train_micro_batch_size_per_gpu": "auto", "wall_clock_breakdown": false
}"""
# axolotl-ai-cloud/axolotl, deepspeed_configs/zero2.json @58b1d3a, and huggingface/transformers,
# tests/deepspeed/ds_config_zero3.json @61c7ec9: both keep states in host memory, the second weights too.
AXOLOTL_ZERO2 = """{
  "zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}, "contiguous_gradients": true},
  "bf16": {"enabled": "auto"}, "fp16": {"enabled": "auto", "loss_scale": 0, "initial_scale_power": 32}
}"""
TRANSFORMERS_ZERO3 = """{
  "fp16": {"enabled": true, "loss_scale": 0, "loss_scale_window": 1000},
  "zero_optimization": {"stage": 3, "offload_optimizer": {"device": "cpu", "pin_memory": true},
    "offload_param": {"device": "cpu", "pin_memory": true}, "stage3_max_live_parameters": 1e9},
  "optimizer": {"type": "AdamW", "params": {"lr": 3e-5}}, "steps_per_print": 2000
}"""
