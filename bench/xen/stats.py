# SPDX-License-Identifier: GPL-2.0-or-later
"""Spreads in the form of the other measures' lines."""

import math


def percentile(values, p):
    """By nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * p / 100) - 1)]


def spread(values):
    """None when there is nothing."""
    if not values:
        return None
    return {"min": min(values), "p25": percentile(values, 25), "median": percentile(values, 50),
            "p75": percentile(values, 75), "p99": percentile(values, 99), "max": max(values), "n": len(values)}


def rounded(value):
    """Six digits say more than any of these figures knows."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return value
