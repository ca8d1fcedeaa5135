"""Kubernetes: a Deployment a pool and a Service before it; a LeaderWorkerSet where a worker spans nodes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import import_module

from hwmodel.interop.export.engines import PORT, EngineLaunch, checked_arguments, model_word, recipe_of
from hwmodel.interop.export.launch import LaunchPool, Serving, Written, commented, header_lines
from hwmodel.plain import JsonObject, JsonValue

VERIFIED = "the schemas of kubernetes-validate==1.37.0 and LeaderWorkerSet v1 (kubernetes-sigs/lws@83ba21e)"
RESOURCES = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu", "google": "google.com/tpu", "intel": "habana.ai/gaudi"}
Manifest = JsonObject


def write(launch: Serving, started: Written) -> Written:
    """The manifests of the engine whose scripts were written before; the answer's engine, or vLLM, where none was."""
    name = next((each.split("-")[0].split(".")[0] for each in started.files), "vllm")
    engine: EngineLaunch = import_module(f"hwmodel.interop.export.{name}").engine()
    start = "kubectl apply -f k8s.yaml" + (
        ""
        if model_word(launch, recipe_of(engine, launch)) != "$MODEL"
        else " (after writing the checkpoint over MODEL)"
    )
    written = Written(files={}, start=start)
    beside = {name: text for name, text in started.files.items() if name.endswith(".yml")}
    manifests = [m for pool in launch.pools for m in _manifests(engine, launch, pool, beside)]

    documents = "---\n".join(_yaml(json.loads(json.dumps(m))) for m in manifests)
    head = commented(header_lines(launch, f"{engine.names.verified_against} and {VERIFIED}", written))
    return Written(files={"k8s.yaml": head + documents}, start=start)


def _manifests(engine: EngineLaunch, launch: Serving, pool: LaunchPool, beside: Mapping[str, str]) -> list[Manifest]:
    name = (
        re.sub(r"[^a-z0-9-]+", "-", f"{launch.model}-{pool.role}".removesuffix("-all").lower())
        .strip("-")[:50]
        .strip("-")
    )
    nodes = launch.nodes(pool)
    file = f"{engine.name}-{pool.role}.yml"
    mounted = name if file in beside else None
    kind = (
        _deployment(engine, launch, pool, name, mounted)
        if nodes == 1
        else _leader_workers(engine, launch, pool, name, nodes, mounted)
    )
    selector = {"app": name} if nodes == 1 else {"leaderworkerset.sigs.k8s.io/name": name, "role": "leader"}
    service: Manifest = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": PORT, "targetPort": PORT}]},
    }  # fmt: skip
    if mounted is None:
        return [kind, service]
    config: Manifest = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {file: beside[file]},
    }  # fmt: skip
    return [config, kind, service]


def _deployment(engine: EngineLaunch, launch: Serving, pool: LaunchPool, name: str, mounted: str | None) -> Manifest:
    template: Manifest = {
        "metadata": {"labels": {"app": name}}, "spec": _pod(engine, launch, pool, pool.ranks, 1, mounted),
    }  # fmt: skip
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"replicas": pool.workers, "selector": {"matchLabels": {"app": name}}, "template": template},
    }  # fmt: skip


def _leader_workers(
    engine: EngineLaunch, launch: Serving, pool: LaunchPool, name: str, nodes: int, mounted: str | None
) -> Manifest:
    """Pods of one worker started and restarted together."""
    each = pool.ranks // nodes
    leading = _pod(engine, launch, pool, each, nodes, mounted)
    leader: Manifest = {"metadata": {"labels": {"role": "leader"}}, "spec": leading}
    worker: Manifest = {"spec": _pod(engine, launch, pool, each, nodes, mounted, leads=False)}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "metadata": {"name": name},
        "spec": {
            "replicas": pool.workers,
            "leaderWorkerTemplate": {
                "size": nodes, "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": leader, "workerTemplate": worker,
            },
        },
    }  # fmt: skip


def _pod(
    engine: EngineLaunch, launch: Serving, pool: LaunchPool, ranks: int, nodes: int, mounted: str | None,
    leads: bool = True,
) -> Manifest:  # fmt: skip
    """One container with the engine's command, its accelerators, and shared memory; a ConfigMap `mounted` puts the
    engine's file beside its arguments, where its command finds it."""
    recipe = recipe_of(engine, launch)
    arguments = checked_arguments(engine, launch, pool) | (engine.nodes(nodes) if nodes > 1 else {})
    model = model_word(launch, recipe).replace("$MODEL", "MODEL")
    words = [*engine.program, *([engine.model_flag] if engine.model_flag else []), model]
    for flag, value in arguments.items():
        words += [flag, *([] if value is None else [_environment(str(value))])]
    words += [] if leads else engine.followers
    token: Manifest = {"name": "hf-token", "key": "token", "optional": True}
    mounts: list[JsonValue] = [{"name": "shm", "mountPath": "/dev/shm"}]
    volumes: list[JsonValue] = [{"name": "shm", "emptyDir": {"medium": "Memory"}}]
    if mounted is not None:
        mounts.append({"name": "config", "mountPath": "/config"})
        volumes.append({"name": "config", "configMap": {"name": mounted}})
    container: Manifest = {
        "name": engine.name, "image": engine.image, "command": words,
        "env": [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": token}}],
        "resources": {"limits": {RESOURCES.get(launch.part.vendor.lower(), "nvidia.com/gpu"): str(ranks)}},
        "volumeMounts": mounts,
    }  # fmt: skip
    if leads:
        container |= {
            "ports": [{"containerPort": PORT}],
            "readinessProbe": {
                "httpGet": {"path": "/health", "port": PORT},
                "initialDelaySeconds": 60,
                "periodSeconds": 10,
            },
        }
    if mounted is not None:
        container["workingDir"] = "/config"
    return {"containers": [container], "volumes": volumes}


def _environment(text: str) -> str:
    """Variables of a script as those that a LeaderWorkerSet gives its pods."""
    return text.replace("$LEADER_ADDRESS", "$(LWS_LEADER_ADDRESS)").replace("$NODE_RANK", "$(LWS_WORKER_INDEX)")


def _yaml(data: Manifest) -> str:
    import yaml

    text: str = yaml.safe_dump(data, sort_keys=False, default_flow_style=False, width=110)
    return text
