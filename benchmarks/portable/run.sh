#!/bin/sh
# Runs a suite on a machine without internet that has torch, torch_geometric, pandas, pyarrow and scikit-learn.
#
#   sh run.sh SUITE DEVICE BUDGET [ZOO...]      for instance: sh run.sh tables/mnist-inr-classification cuda 9m mnist-inrs
#
# Builds the zoos, runs what the budget allows and packs records and predictions into results.tar.gz, to be carried back
# and handed in with `weightbench submit`. The same command goes on where it stopped; exit code 3: the budget ended it.
set -eu
cd "$(dirname "$0")"
[ $# -ge 3 ] || { echo "say: sh run.sh SUITE DEVICE BUDGET [ZOO...]"; exit 2; }
suite=$1 device=$2 budget=$3
shift 3
python=${PYTHON:-python3}

# What travels along goes into site/, unpacked (a wheel is an archive), before whatever version this Python may have.
"$python" - <<'EOF'
import sys, zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

for name in ("torch", "torch_geometric", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn"):
    try:
        version(name)
    except PackageNotFoundError:
        sys.exit(f"{name} is not installed here, and too large to travel along: install it first")
tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
for wheel in sorted(Path("wheels").glob("*.whl")):
    name, _, python, abi, _ = wheel.stem.rsplit("-", 4)
    if abi not in ("none", "abi3", tag):
        sys.exit(f"{wheel.name} is not for Python {sys.version.split()[0]}: make the bundle with TARGET_PYTHON={tag[2]}.{tag[3:]}")
    zipfile.ZipFile(wheel).extractall("site")
EOF
export PYTHONPATH="$PWD/site" WEIGHTBENCH_CACHE="$PWD/cache"

for zoo in "$@"; do
  "$python" -m weightbench zoo build "$zoo" --device "$device" --source-dir data
done
code=0
"$python" -m weightbench run --suite "$suite" --device "$device" --budget "$budget" --out runs || code=$?
if [ -d runs ]; then
  tar -czf results.tar.gz --exclude .locks --exclude .checkpoints --exclude board runs
  echo "$PWD/results.tar.gz: unpack it at home, then: weightbench submit runs"
fi
exit $code
