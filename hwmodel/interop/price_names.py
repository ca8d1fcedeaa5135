"""Names of other tools' price ledgers as ours: which part an offer rents, which provider asks, of which class.

Ledgers name an accelerator by its model; the form (SXM, PCIe, NVL) often stands in the name of the machine alone. Where
neither says it, the offer is left out: a PCIe card passed for an SXM one is wrong by half.
"""

from __future__ import annotations

import re

# Ledger's name, folded -> our part, where one form is rented.
PARTS = {
    "b200": "b200-sxm6-180gb", "b300": "b300-sxm6", "gb200": "gb200", "gb300": "gb300", "gh200": "gh200-96gb",
    "l4": "l4", "l40s": "l40s", "a10g": "a10g", "t4": "t4", "rtx4090": "rtx-4090", "rtx5090": "rtx-5090",
    "rtxpro6000": "rtx-pro-6000-bw-server", "mi300x": "mi300x-192gb", "mi325x": "mi325x-256gb",
    "mi350x": "mi350x-288gb", "mi355x": "mi355x-288gb", "trainium": "trainium1", "trainium1": "trainium1",
    "trainium2": "trainium2", "inferentia2": "inferentia2", "gaudi2": "gaudi2", "gaudi3": "gaudi3",
}  # fmt: skip
# Model, GiB (0: any) and form -> our part, where several forms are rented.
FORMS = {
    ("a100", 40, "sxm"): "a100-sxm4-40gb", ("a100", 40, "pcie"): "a100-pcie-40gb",
    ("a100", 80, "sxm"): "a100-sxm4-80gb", ("a100", 80, "pcie"): "a100-pcie-80gb",
    ("h100", 80, "sxm"): "h100-sxm5-80gb", ("h100", 80, "pcie"): "h100-pcie-80gb", ("h100", 94, "nvl"): "h100-nvl-94gb",
    ("h200", 141, "sxm"): "h200-sxm-141gb", ("h200", 141, "nvl"): "h200-nvl-141gb",
    ("v100", 16, "sxm"): "v100-sxm2-16gb", ("v100", 32, "sxm"): "v100-sxm3-32gb",
}  # fmt: skip
# Ledgers name the NVL form of it always (`H200NVL`), so the bare name is the SXM one.
PLAIN_IS_SXM = ("h200",)
# Machines whose name tells the form without a word of it (vendors' documentation of the machine).
MACHINES = (
    (r"p4de?\.|p5(e|en)?\.|p3dn?\.|^a2-|^a3-|^ND\d|_ND\d|BM\.GPU", "sxm"),
    (r"NC\d+ads_A100", "pcie"),
    (r"NC\d+ads_H100", "nvl"),
    (r"\d[AH]\d00\.\d+S\.", "sxm"),  # Verda: 8H100.80S.176V
)
WORDS = ((r"sxm|hbm3\b", "sxm"), (r"pcie?\b", "pcie"), (r"nvl", "nvl"))
# TPU slices: chips of the number in the name (v4 and v5p count cores, two a chip).
TPUS = {"v4": ("tpu-v4", 2), "v5p": ("tpu-v5p", 2), "v5litepod": ("tpu-v5e", 1), "v5e": ("tpu-v5e", 1),
        "v6e": ("tpu-v6e", 1)}  # fmt: skip

# Ledger's name of a provider -> ours, and its class.
PROVIDERS = {
    "aws": ("Amazon Web Services", "hyperscaler"), "azure": ("Microsoft Azure", "hyperscaler"),
    "gcp": ("Google Cloud", "hyperscaler"), "oci": ("Oracle Cloud", "hyperscaler"),
    "lambda": ("Lambda", "neocloud"), "lambdalabs": ("Lambda", "neocloud"), "nebius": ("Nebius", "neocloud"),
    "verda": ("Verda (DataCrunch)", "neocloud"), "datacrunch": ("Verda (DataCrunch)", "neocloud"),
    "runpod": ("RunPod Secure", "neocloud"), "crusoe": ("Crusoe", "neocloud"), "vultr": ("Vultr", "neocloud"),
    "do": ("DigitalOcean", "neocloud"), "digitalocean": ("DigitalOcean", "neocloud"),
    "hyperstack": ("Hyperstack", "neocloud"), "hotaisle": ("Hot Aisle", "neocloud"),
    "jarvislabs": ("Jarvis Labs", "neocloud"), "scaleway": ("Scaleway", "neocloud"), "scp": ("Scaleway", "neocloud"),
    "coreweave": ("CoreWeave", "neocloud"), "vastai": ("Vast.ai", "marketplace"), "vast": ("Vast.ai", "marketplace"),
}  # fmt: skip
US = re.compile(r"^(us|na-us|northamerica-us|(east|west|central|northcentral|southcentral|westcentral)us)|\bUS\b|USA")


def folded(name: str) -> str:
    """A name without case, marks, vendor and words of no meaning."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return re.sub(r"^(nvidia|amd|instinct|geforce|tesla)+", "", plain)


def form_of(name: str, machine: str) -> str:
    """`sxm`, `pcie` or `nvl` as the name or the machine tells it; empty where neither does."""
    for text in (name, machine):
        for pattern, form in WORDS:
            if re.search(pattern, text, re.IGNORECASE):
                return form
    return next((form for pattern, form in MACHINES if re.search(pattern, machine)), "")


def part_of(name: str, memory_gib: float | None, machine: str) -> str | None:
    """Our part of an offer; None where its name is not known or its form is not told."""
    plain = folded(name)
    if plain in PARTS:
        return PARTS[plain]
    model = re.match(r"(a100|h100|h200|v100)", plain)
    if model is None or "mig" in plain:
        return None
    stated = re.search(r"(\d{2,3})gb", plain[4:])
    size = float(stated.group(1)) if stated else memory_gib
    fitting = {form: part for (of, gib, form), part in FORMS.items() if of == model.group(1) and _same(gib, size)}
    form = form_of(name, machine)
    if form:
        return fitting.get(form)
    return fitting.get("sxm") if len(fitting) == 1 or model.group(1) in PLAIN_IS_SXM else None


def _same(gib: int, stated: float | None) -> bool:
    """Memory as stated, in GB or GiB; nothing stated says nothing."""
    return stated is None or abs(stated - gib) <= 0.08 * gib


def tpu_of(name: str) -> tuple[str, float] | None:
    """Part and chips of a TPU slice such as `tpu-v5p-8`; None for anything else."""
    found = re.fullmatch(r"(?:tpu-?)?(v\w+?)-(\d+)", name.lower())
    if found is None or found.group(1) not in TPUS:
        return None
    part, cores = TPUS[found.group(1)]
    return part, int(found.group(2)) / cores
