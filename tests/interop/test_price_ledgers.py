"""Price ledgers of other tools: names, forms, slices, the offer that stands for a provider, dated overlays."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hwmodel.catalog import load_catalog
from hwmodel.cli.main import cli
from hwmodel.errors import CatalogError, InputError
from hwmodel.interop.price_ledgers import from_files, from_gpuhunt, quotes_csv
from hwmodel.interop.price_names import part_of, tpu_of

HEAD = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice,AvailabilityZone\n"


@pytest.mark.parametrize(
    ("name", "gib", "machine", "part"),
    [
        ("H100", 80.0, "p5.48xlarge", "h100-sxm5-80gb"),
        ("H100", None, "Standard_ND96isr_H100_v5", "h100-sxm5-80gb"),
        ("H100", None, "Standard_NC40ads_H100_v5", "h100-nvl-94gb"),
        ("H100NVL", 94.0, "x", "h100-nvl-94gb"),
        ("H100", 80.0, "gpu_1x_h100_pcie", "h100-pcie-80gb"),
        ("H100", 80.0, "gpu_8x_h100_sxm5", "h100-sxm5-80gb"),
        ("A100-80GB", None, "Standard_NC24ads_A100_v4", "a100-pcie-80gb"),
        ("A100-80GB-SXM", None, "8x_A100-80GB-SXM", "a100-sxm4-80gb"),
        ("A100", 40.0, "p4d.24xlarge", "a100-sxm4-40gb"),
        ("A100", 80.0, "1A100.80S.22V", "a100-sxm4-80gb"),
        ("NVIDIA A100 80GB PCIe", 80.0, "", "a100-pcie-80gb"),
        ("H200", 141.0, "p5en.48xlarge", "h200-sxm-141gb"),
        ("V100-32GB", None, "p3dn.24xlarge", "v100-sxm3-32gb"),
        ("RTX4090", 24.0, "", "rtx-4090"),
        ("L40S", 48.0, "g6e.xlarge", "l40s"),
        ("H100", 80.0, "8x_some_box", None),  # neither says SXM nor PCIe
        ("A100", 80.0, "flavour-17", None),
        ("H100-MIG", 80.0, "p5.48xlarge", None),
        ("L40", 48.0, "", None),  # not the L40S
        ("B2000", 1.0, "", None),
    ],
)
def test_an_offer_is_a_part_only_where_its_form_is_told(name: str, gib: float | None, machine: str, part: str) -> None:
    assert part_of(name, gib, machine) == part
    if part is not None:
        assert load_catalog().part(part).id == part


def test_slices_of_tpus_count_chips() -> None:
    assert tpu_of("tpu-v5p-8") == ("tpu-v5p", 4.0)
    assert tpu_of("v4-16") == ("tpu-v4", 8.0)
    assert tpu_of("tpu-v5litepod-8") == ("tpu-v5e", 8.0)
    assert tpu_of("tpu-v6e-1") == ("tpu-v6e", 1.0)
    assert tpu_of("H100") is None


def sky(folder: Path, cloud: str, *rows: str) -> Path:
    place = folder / cloud
    place.mkdir(parents=True)
    (place / "vms.csv").write_text(HEAD + "".join(f"{row}\n" for row in rows))
    return folder


def test_skypilot_takes_the_largest_machine_in_the_cheapest_us_region(tmp_path: Path) -> None:
    sky(
        tmp_path, "aws",
        "p5.4xlarge,H100,1,16,256,3.00,us-east-1,,1.00,a", "p5.48xlarge,H100,8,192,2048,80,us-west-2,,40,a",
        "p5.48xlarge,H100,8,192,2048,56,us-east-1,,20,a", "p5.48xlarge,H100,8,192,2048,24,ap-south-1,,8,a",
        "m5.large,,,2,8,0.1,us-east-1,,0.05,a",
    )  # fmt: skip
    taken = from_files(tmp_path, "2026-11-01", {}, load_catalog())
    found = {q.kind: q for q in taken.quotes}
    assert {k: q.usd_per_accelerator_hour for k, q in found.items()} == {"on_demand": 7.0, "spot": 2.5}
    one = found["on_demand"]
    assert (one.part, one.provider, one.provider_class) == ("h100-sxm5-80gb", "Amazon Web Services", "hyperscaler")
    assert (one.region, one.date, one.accelerators) == ("us (us-east-1)", "2026-11-01", 8.0)


def test_skypilot_traps(tmp_path: Path) -> None:
    sky(
        tmp_path, "gcp", "TPU-VM,tpu-v6e-8,1,,,700.0,us-east1,,,a", "TPU-VM,tpu-v5p-8,1,,,16.8,us-central1,,,a",
    )  # fmt: skip
    sky(tmp_path, "runpod", "1x_H100_SECURE,H100-SXM,1,16,80,3.99,US,,3.99,a")
    sky(tmp_path, "nobody", "x,H200,1,16,80,3.99,US,,,a")
    sky(tmp_path, "lambda", "box,H100,1,16,80,3.99,US,,,a")
    taken = from_files(tmp_path, "2026-11-01", {}, load_catalog())
    assert {(q.part, q.kind): q.usd_per_accelerator_hour for q in taken.quotes} == {
        ("tpu-v5p", "on_demand"): 4.2,  # four chips; the price of 700 means none
        ("h100-sxm5-80gb", "on_demand"): 3.99,  # spot equals on demand: no spot
    }
    assert taken.left_out == {"provider nobody": 1, "H100": 1}
    named = from_files(tmp_path, "2026-11-01", {"H100": "h100-pcie-80gb"}, load_catalog())
    assert ("h100-pcie-80gb", "Lambda") in {(q.part, q.provider) for q in named.quotes}


def test_a_file_without_a_date_is_of_its_own_day(tmp_path: Path) -> None:
    sky(tmp_path, "aws", "p5.48xlarge,H100,8,192,2048,56,us-east-1,,20,a")
    os.utime(tmp_path / "aws" / "vms.csv", (1_790_000_000, 1_790_000_000))
    assert {q.date for q in from_files(tmp_path, None, {}, load_catalog()).quotes} == {"2026-09-21"}


def item(**fields: object) -> types.SimpleNamespace:
    base = {"provider": "nebius", "instance_name": "gpu-h200-sxm", "location": "us-central1", "price": 40.0,
            "gpu_count": 8, "gpu_name": "H200", "gpu_memory": 141.0, "spot": False}  # fmt: skip
    return types.SimpleNamespace(**{**base, **fields})


def test_gpuhunt_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def query(**given: object) -> list[types.SimpleNamespace]:
        asked.update(given)
        vast = [item(provider="vastai", price=price, gpu_count=1, location="US") for price in (1.0, 4.0, 5.0)]
        tpu = item(provider="gcp", gpu_name="v5p-8", instance_name="v5p-8", gpu_count=1, price=16.8)
        return [item(), item(spot=True, price=16.0), item(gpu_count=0, gpu_name=None), tpu, *vast]

    monkeypatch.setitem(sys.modules, "gpuhunt", types.SimpleNamespace(query=query, __version__="0.1.34"))
    taken = from_gpuhunt("2026-11-01", {}, ("nebius",))
    assert asked == {"provider": ["nebius"]}
    found = {(q.provider, q.part, q.kind): q for q in taken.quotes}
    assert found["Nebius", "h200-sxm-141gb", "on_demand"].usd_per_accelerator_hour == 5.0
    assert found["Nebius", "h200-sxm-141gb", "spot"].usd_per_accelerator_hour == 2.0
    assert found["Google Cloud", "tpu-v5p", "on_demand"].usd_per_accelerator_hour == 4.2
    vast = found["Vast.ai", "h200-sxm-141gb", "on_demand"]
    assert (vast.usd_per_accelerator_hour, vast.basis) == (4.0, "offers")  # a median, never the cheapest


def test_without_gpuhunt_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpuhunt", None)
    with pytest.raises(InputError, match=r"pip install 'hwmodel\[prices\]'"):
        from_gpuhunt("2026-11-01", {})


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["prices", *words])


def test_update_writes_a_dated_overlay_that_wins(tmp_path: Path) -> None:
    sky(tmp_path / "sky", "lambda", "gpu_8x_h100_sxm5,H100-SXM,8,16,80,80.0,us-east-1,,,a")
    into = tmp_path / "own"
    done = run("update", str(tmp_path / "sky"), "--date", "2026-11-20", "--into", str(into))
    assert done.exit_code == 0, done.output
    assert [p.name for p in (into / "prices").iterdir()] == ["update-2026-11-20-sky.csv"]
    catalog = load_catalog((into,))
    found = catalog.price_summary("h100-sxm5-80gb")
    assert found is not None
    assert (found.n_quotes, found.last_date) == (11, "2026-11-20")  # Lambda once, with its newest
    assert catalog.prices_as_of == "2026-11-20"
    again = run("update", str(into / "prices" / "update-2026-11-20-sky.csv"), "--into", str(tmp_path / "two"))
    assert again.exit_code == 0, again.output


def test_quotes_survive_the_round_trip(tmp_path: Path) -> None:
    catalog = load_catalog()
    path = tmp_path / "all.csv"
    path.write_text(quotes_csv(catalog.every_quote))
    assert sorted(map(str, catalog.quotes_of(path))) == sorted(map(str, catalog.every_quote))


def test_wrong_updates(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    for words, said in (
        (("update", "nowhere"), "no source of prices"),
        (("update", str(tmp_path)), "no price file there"),
        (("update", str(tmp_path), "--date", "tomorrow"), "is no day"),
        (("update", str(tmp_path), "--date", "2999-01-01"), "lies in the future"),
        (("update", str(tmp_path), "--as", "H100"), "write NAME=VALUE"),
        (("update", str(tmp_path), "--as", "H100=h1000"), "h1000"),
        (("list", "--kind", "weekly"), "unknown kind of price"),
        (("list", "--part", "h1000"), "h1000"),
    ):
        found = run(*words)
        assert isinstance(found.exception, InputError), (words, found.output)
        assert said in str(found.exception)
    bad.write_text("AcceleratorName,Price\nH100,3\n")
    with pytest.raises(InputError, match="lacks the column 'InstanceType'"):
        from_files(bad, None, {}, load_catalog())
    bad.write_text("date,part,provider,kind,usd_per_accelerator_hour\n2026-01-01,H1000,x,on_demand,2\n")
    with pytest.raises(CatalogError, match=r"bad\.csv:2"):
        from_files(bad, None, {}, load_catalog())


def test_list_shows_every_quote_and_what_it_comes_to() -> None:
    done = run("list", "--part", "GB200", "--format", "text")
    assert done.exit_code == 0
    assert done.output.startswith("gb200: $10.5 an hour")
    assert "Oracle Cloud" in done.output
    table = run("list", "--format", "csv").output.splitlines()
    assert any(line.startswith("h100-sxm5-80gb,on_demand,neocloud,3.99,3.49,4.5,market,11") for line in table)
