"""The chart of tests/src/bench/metrics/charts.rs, drawn by matplotlib: as wide and as high, with the same lines, bands, marks
and table. Says the median in milliseconds, and the most memory of the process in kB."""

import datetime
import math
import sys
import time

import matplotlib

matplotlib.use("Agg")

import matplotlib.dates
import matplotlib.pyplot

lines, points, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
BEGIN = datetime.datetime.fromtimestamp(1_772_701_200, datetime.timezone.utc)
COLOURS = ["#0072b2", "#d55e00", "#00795a", "#a8507f", "#3d3d3d"]
DASHES = ["-", (0, (7, 3)), (0, (2, 2.5)), (0, (9, 3, 2, 3)), (0, (4, 2))]


def value(line, x):
    return 0.1 * (line + 1) + 0.03 * math.sin(x / 40) + 0.01 * math.sin(x * 1.7 + line)


at = [BEGIN + datetime.timedelta(seconds=30 * number) for number in range(points)]
series = [[value(line, number) for number in range(points)] for line in range(lines)]


def draw():
    # Hundredths of an inch are the dots of that drawing.
    below = 46 + 19 * (lines + 2)
    high = 62 + 210 + below
    figure, axes = matplotlib.pyplot.subplots(figsize=(5.4, high / 100), dpi=200)
    figure.subplots_adjust(left=0.1, right=0.96, top=1 - 62 / high, bottom=below / high)
    for line, row in enumerate(series):
        axes.plot(at, row, color=COLOURS[line], linestyle=DASHES[line], linewidth=1.8, label=f"web{line}")
    axes.axhspan(0.4, 0.5, color="#b26a00", alpha=0.1)
    axes.axhspan(0.5, 0.6, color="#c62828", alpha=0.1)
    axes.axvline(at[points // 2], color="#6a737d", linestyle=":", label="#412 deploy.ship hello v2")
    axes.set_title("checkout-latency in production")
    axes.set_ylabel("s")
    axes.grid(axis="y", color="#e4e7eb")
    axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M"))
    rows = [[f"{figure:.3f}" for figure in (min(row), sum(row) / points, max(row), row[-1])] for row in series]
    axes.table(rows, colLabels=["min", "avg", "max", "last"], bbox=[0, -(below - 8) / 210, 1, (below - 38) / 210])
    axes.legend(loc="upper left", fontsize=6)
    figure.savefig(file)
    matplotlib.pyplot.close(figure)


took = []
for _ in range(7):
    began = time.perf_counter()
    draw()
    took.append(time.perf_counter() - began)
with open("/proc/self/status", encoding="utf-8") as status:
    peak = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
print(f"{sorted(took)[len(took) // 2] * 1e3:.3f} {peak}")
