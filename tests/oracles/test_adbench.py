"""ADBench's expected values: a Gaussian mixture, one camera of bundle adjustment, hand tracking.

The problems are those of Šrajer, Kukelova & Fitzgibbon, "A benchmark of selected algorithmic differentiation tools on
some problems in computer vision and machine learning" (2018), written here as scalar Python. Inputs and expected
numbers stand in `data/adbench.json` with their source: they were computed with derivatives written by hand in C++.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import autograd_lite as al

EPS = 2.0**-52
DATA = json.loads((Path(__file__).parent / "data" / "adbench.json").read_text(encoding="utf-8"))
ROUTES = {"eager": lambda f: f, "compiled": al.jit}


@pytest.fixture(params=ROUTES)
def route(request):
    """The function as it stands, or compiled."""
    return ROUTES[request.param]


def close(got, expected, operations):
    """Equal but for rounding: the eps of the largest number of the result for each operation that reaches it."""
    got, expected = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    assert got.shape == expected.shape
    worst, allowed = np.max(np.abs(got - expected)), operations * EPS * max(1.0, np.max(np.abs(expected)))
    assert worst <= allowed, f"{worst:.2g} apart, {allowed:.2g} allowed"


# ---- Gaussian mixture --------------------------------------------------------------------------------------------------


def mixture(alphas, means, factors, points, wishart):
    """Log-likelihood of points under weights softmax(alphas) and inverse covariances QᵀQ, and Wishart's prior of Q.

    A row of `factors` holds the logarithms of Q's diagonal, then its lower triangle column by column.
    """
    gamma, m = wishart
    d = len(means[0])
    total = -len(points) * (d * 0.5 * math.log(2 * math.pi) + al.logsumexp(alphas))
    for x in points:
        terms = []
        for alpha, mean, row in zip(alphas, means, factors, strict=True):
            centred = [a - b for a, b in zip(x, mean, strict=True)]
            scaled = [al.exp(row[i]) * centred[i] for i in range(d)]
            place = d
            for column in range(d):
                for i in range(column + 1, d):
                    scaled[i] = scaled[i] + row[place] * centred[column]
                    place += 1
            terms.append(alpha + sum(row[:d]) - 0.5 * sum(s * s for s in scaled))
        total += al.logsumexp(terms)
    n = d + m + 1
    multigamma = d * (d - 1) / 4 * math.log(math.pi) + sum(math.lgamma(0.5 * n - 0.5 * j) for j in range(d))
    for row in factors:
        squares = sum(al.exp(2 * t) for t in row[:d]) + sum(t * t for t in row[d:])
        total += 0.5 * gamma**2 * squares - m * sum(row[:d])
        total -= n * d * math.log(gamma / math.sqrt(2)) - multigamma
    return total


def test_gaussian_mixture(route):
    """Value and the 18 slopes with respect to weights, means and factors."""
    g = DATA["gmm"]
    parameters = tuple(np.array(g[name]) for name in ("alphas", "means", "factors"))
    f = lambda alphas, means, factors: mixture(alphas, means, factors, g["points"], g["wishart"])
    value, slopes = route(al.value_and_grad(f, argnums=(0, 1, 2)))(*parameters)
    close(value, g["value"], 64)
    close(np.concatenate([s.ravel() for s in slopes]), g["gradient"], 64)


# ---- bundle adjustment -------------------------------------------------------------------------------------------------


def cross(a, b):
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def rotated(axis, x):
    """Rodrigues' formula: the angle is the length of the axis."""
    angle = al.sqrt(sum(a * a for a in axis))
    unit = [a / angle for a in axis]
    along = sum(u * v for u, v in zip(unit, x, strict=True)) * (1 - al.cos(angle))
    around = cross(unit, x)
    return [x[i] * al.cos(angle) + around[i] * al.sin(angle) + unit[i] * along for i in range(3)]


def reprojection(camera, point, weight, feature):
    """Weighted distance between a feature in the image and the image of a point.

    A camera: rotation (3), centre (3), focal length, principal point (2), radial distortion (2).
    """
    x, y, z = rotated(camera[:3], [a - b for a, b in zip(point, camera[3:6], strict=True)])
    x, y = x / z, y / z
    square = x * x + y * y
    distorted = 1 + camera[9] * square + camera[10] * square * square
    image = [x * distorted * camera[6] + camera[7], y * distorted * camera[6] + camera[8]]
    return [weight * (a - b) for a, b in zip(image, feature, strict=True)]


def test_bundle_adjustment(route):
    """Errors and their Jacobian with respect to camera, point and weight."""
    b = DATA["ba"]
    camera, point, weight = np.array(b["camera"]), np.array(b["point"]), b["weight"]
    f = lambda c, p, w: reprojection(c, p, w, b["feature"])
    # The feature lies 550 from the centre and is met to 0.5: eps·550 for each of 64 operations.
    close(np.array(route(f)(camera, point, weight)) / 550, np.array(b["error"]) / 550, 64)
    rows = route(al.jacobian(f, argnums=(0, 1, 2)))(camera, point, weight)
    close([np.hstack(row) for row in rows], b["jacobian"], 64)
    slope = route(al.value_and_grad(lambda w: 1 - w * w))(weight)
    close(slope, [b["weight error"], b["weight row"]], 4)


# ---- hand tracking -----------------------------------------------------------------------------------------------------


def product(a, b):
    return [[sum(p * q for p, q in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a]


def turned(flexion, spread):
    """The rotation of a joint about x by flexion, then about z by spread, as a 4 by 4 matrix."""
    cx, sx, cz, sz = al.cos(flexion), al.sin(flexion), al.cos(spread), al.sin(spread)
    return [[cz, -sz * cx, sz * sx, 0.0], [sz, cz * cx, -cz * sx, 0.0], [0.0, sx, cx, 0.0], [0.0, 0.0, 0.0, 1.0]]


class Hand:
    """A skeleton of 22 bones with a skin: each vertex is a weighted sum of where its bones take it."""

    def __init__(self, numbers):
        self.numbers = numbers
        self.relatives, self.inverses = (
            np.array(numbers[k]).reshape(-1, 4, 4).tolist() for k in ("relatives", "inverses")
        )

    def skeleton(self, theta):
        """Each bone's motion. Bone 0 is the wrist; then four bones a finger, of which the last three bend."""
        angles = {}
        place = 6
        for finger in range(5):
            for joint in range(3):
                spreads = joint == 0
                angles[2 + 4 * finger + joint] = (theta[place], theta[place + 1] if spreads else 0.0)
                place += 2 if spreads else 1
        absolutes = []
        for bone, parent in enumerate(self.numbers["parents"]):
            own = self.relatives[bone]
            if bone in angles:
                own = product(own, turned(*angles[bone]))
            absolutes.append(own if parent < 0 else product(absolutes[parent], own))
        return [product(a, i) for a, i in zip(absolutes, self.inverses, strict=True)]

    def vertex(self, number, motions, theta):
        vertex = self.numbers["vertices"][str(number)]
        x = [[v] for v in (*vertex["position"], 1.0)]
        moved = [0.0, 0.0, 0.0]
        for bone, weight in vertex["weights"]:
            moved = [m + weight * p[0] for m, p in zip(moved, product(motions[bone], x)[:3], strict=True)]
        return [a + b for a, b in zip(rotated(theta[:3], moved), theta[3:6], strict=True)]

    def errors(self, theta):
        """Measured points minus the vertices they belong to."""
        motions = self.skeleton(theta)
        return [
            a - b
            for point, number in zip(self.numbers["points"], self.numbers["correspondences"], strict=True)
            for a, b in zip(point, self.vertex(number, motions, theta), strict=True)
        ]

    def errors_on_triangles(self, us, theta):
        """Measured points minus points in triangles, whose barycentric coordinates are unknowns too."""
        motions = self.skeleton(theta)
        found = []
        for (u, v), point, number in zip(us, self.numbers["points"], self.numbers["correspondences"], strict=True):
            corners = [self.vertex(k, motions, theta) for k in self.numbers["triangles"][str(number)]]
            found += [p - (u * a + v * b + (1 - u - v) * c) for p, a, b, c in zip(point, *corners, strict=True)]
        return found


def test_hand_tracking(route):
    """Six errors and their 6 by 26 Jacobian."""
    hand = Hand(DATA["hand"])
    theta = np.array(DATA["hand"]["theta"])
    close(route(hand.errors)(theta), DATA["hand"]["simple"], 64)
    close(route(al.jacobian(hand.errors))(theta), np.transpose(DATA["hand"]["simple columns"]), 64)


def test_hand_tracking_on_triangles(route):
    """The same with two unknowns more a point: each error depends on the unknowns of its own point only.

    ADBench keeps the Jacobian's columns for both points' unknowns in two columns: u and v of the point concerned.
    """
    hand = Hand(DATA["hand"])
    us, theta = np.array(DATA["hand"]["us"]), np.array(DATA["hand"]["theta"])
    close(route(hand.errors_on_triangles)(us, theta), DATA["hand"]["complicated"], 64)
    rows = route(al.jacobian(hand.errors_on_triangles, argnums=(0, 1)))(us, theta)
    inner, outer = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    own = [inner[k, k // 3] for k in range(6)]
    close(np.hstack([own, outer]), np.transpose(DATA["hand"]["complicated columns"]), 64)
    assert all(np.all(inner[k, 1 - k // 3] == 0.0) for k in range(6))
