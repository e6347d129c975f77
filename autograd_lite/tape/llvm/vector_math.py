"""Elementary functions of several doubles at once, as LLVM IR: several times faster than one libm call per lane.

Only IEEE operations and fused multiply-adds, no branch but the one to libm for huge angles: a lane has the same bits
whatever the width and whatever its neighbours.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

from autograd_lite.tape.llvm.ir import Builder, Module, Operand, Value, vector


def fma(x: Value, y: Operand, z: Operand) -> Value:
    """x·y + z, rounded once."""
    return x.intrinsic("fma", y, z)


def polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """(c₀ + c₁x) + x²(c₂ + ...); the bracket in pairs, then pairs of pairs, as Horner's chain waits for each product.

    The first pair stays apart, because every level of pairs rounds once more: only what is multiplied by x² can bear that.
    """
    terms: list[Operand] = list(coefficients[2:])
    square, power = x * x, x
    while len(terms) > 1:
        pairs: list[Operand] = [fma(power, high, low) for low, high in zip(terms[::2], terms[1::2], strict=False)]
        terms, power = pairs + terms[len(pairs) * 2 :], square if power is x else power * power
    return fma(square, terms[0], fma(x, coefficients[1], coefficients[0]))


def two_sum(x: Value, y: Operand) -> tuple[Value, Value]:
    """x + y and what its rounding loses (Knuth's TwoSum)."""
    s = x + y
    y_part = s - x
    return s, (x - (s - y_part)) - (y_part - y)


def _quotient(top: Value, top_low: Operand, bottom: Value, bottom_low: Value) -> Value:
    """(top + top_low)/(bottom + bottom_low), rounded almost once, with one division."""
    inverse = 1.0 / bottom
    q = top * inverse
    rest = fma(-q, bottom, top) + fma(-q, bottom_low, top_low)
    return fma(rest, inverse, q)


# A double plus this, minus this, is the nearest integer; its low bits are that integer in two's complement.
MAGIC = 1.5 * 2.0**52
MAGIC_BITS = 0x4338 << 48
ONE, TOP_TWELVE = 0x3FF << 52, -1 << 52  # bits of 1.0; sign and exponent of a double

# --- exponentials: x = k·ln 2 + r, |r| ≤ ln 2 / 2 ----------------------------------------------------------------

LOG2_E, LN2, LN2_LOW = 1.4426950408889634, 0.6931471805599453, 2.3190468138462996e-17
# (eʳ - 1 - r - r²/2)/r³, relative error of eʳ - 1 2⁻⁶¹. Remez exchange in 250 bits, leading coefficients rounded first,
# as every table here unless it says otherwise.
EXP = (
    0.16666666666666677, 0.04166666666666667, 0.008333333333321482, 0.0013888888888878926, 0.00019841269886220408,
    2.4801587344717088e-05, 2.7557244325639772e-06, 2.755725042507265e-07, 2.5108947820893686e-08, 2.092345243032525e-09,
)  # fmt: skip


def _reduce(x: Value, low: Operand = 0.0) -> tuple[Value, Value, Value]:
    """k + MAGIC, r and what is lost in r, where x + low = k·ln 2 + r."""
    shifted = fma(x, LOG2_E, MAGIC)
    k = shifted - MAGIC
    high = fma(k, -LN2, x)  # exact: a multiple of 2⁻⁵⁴ below 1/2
    rest = fma(k, -LN2_LOW, low)
    r = high + rest
    return shifted, r, (high - r) + rest


def _scale(y: Value, shifted: Value) -> Value:
    """y·2ᵏ in two steps, so that neither factor overflows and a subnormal result is rounded once."""
    power = shifted.bits() << 52  # the bits of 2ᵏ less those of 1, for which k need not be in range
    half = (power >> 1) & TOP_TWELVE
    return y * (half + ONE).double() * (power - half + ONE).double()


def _bend(r: Value, lost: Value) -> Value:
    """e to the r + lost, less 1 + r."""
    return fma(r * 0.5, r, fma(r * r * r, polynomial(r, EXP), lost))


def _exp_parts(r: Value, lost: Value) -> tuple[Value, Value]:
    """e to the r + lost, and what its rounding loses."""
    y = r + 1.0
    low = ((1.0 - y) + r) + _bend(r, lost)
    e = y + low
    return e, (y - e) + low


def _exp_reduced(r: Value, lost: Value) -> Value:
    """e to the r + lost."""
    return _exp_parts(r, lost)[0]


def exp(x: Value) -> Value:
    """eˣ within 1 ULP."""
    shifted, r, lost = _reduce(x.clamp(-746.0, 710.0))
    return _scale(_exp_reduced(r, lost), shifted)


def exp2(x: Value) -> Value:
    """2ˣ within 1 ULP."""
    clamped = x.clamp(-1076.0, 1025.0)
    shifted = clamped + MAGIC
    part = clamped - (shifted - MAGIC)
    r = part * LN2
    lost = fma(part, LN2_LOW, fma(part, LN2, -r))
    return _scale(_exp_reduced(r, lost), shifted)


def sigmoid(x: Value) -> Value:
    """1/(1 + e⁻ˣ) within 2 ULP, by the exponential that does not overflow."""
    e = exp(-abs(x))
    bottom = e + 1.0
    return _quotient(x.b.constant(1.0).where(x >= 0.0, e), 0.0, bottom, (1.0 - bottom) + e)


def _quarter_expm1(x: Value) -> tuple[Value, Value]:
    """(eˣ - 1)/4 and what its rounding loses; a quarter, so that 2ᵏ⁻² is in range wherever sinh is."""
    shifted, r, lost = _reduce(x.clamp(-40.0, 710.6))
    power = ((shifted.bits() << 52) + (ONE - (2 << 52))).double()
    whole, part = power - 0.25, power * r  # the product is exact; |whole| ≥ |part| or whole = 0
    high = whole + part
    low = fma(power, _bend(r, lost), ((whole - high) + part) + ((power - whole) - 0.25))
    y = high + low
    return y, (high - y) + low


def expm1(x: Value) -> Value:
    """eˣ - 1 within 1 ULP."""
    y, _ = _quarter_expm1(x)
    return x.where(abs(x) < 2.0**-54, y * 4.0)


def sinh(x: Value) -> Value:
    """(t + t/(t + 1))/2 within 2 ULP, t = e^|x| - 1."""
    t, low = _quarter_expm1(abs(x))
    y = (t + (t / fma(t, 4.0, 1.0) + low)) * 2.0
    return x.where(abs(x) < 2.0**-28, y.with_sign_of(x))


def cosh(x: Value) -> Value:
    """(e^|x| + e^-|x|)/2 within 2 ULP; e^|x|/4 is used, which is in range wherever cosh is."""
    shifted, r, lost = _reduce(abs(x).clamp(0.0, 710.6))
    quarter = _scale(_exp_reduced(r, lost), shifted - 2.0)
    return (quarter + 0.0625 / quarter) * 2.0


def tanh(x: Value) -> Value:
    """t/(t + 2) within 1 ULP, t = e^2|x| - 1; the quotient is corrected by what the roundings lost."""
    t, low = _quarter_expm1(abs(x).clamp(0.0, 20.0) * 2.0)
    bottom, lost = two_sum(t, 0.5)
    y = _quotient(t, low, bottom, lost + low)
    return x.where(abs(x) < 2.0**-28, y.with_sign_of(x))


# --- logarithms: x = 2ᵏ(1 + f), 1/√2 ≤ 1 + f < √2 ----------------------------------------------------------------

SQRT_HALF = 0x3FE6A09E667F3BCD  # its bits
LN2_PARTS = (0.6931471805592082, 7.371002565167799e-13)  # the first of 40 bits, so that its product with k is exact
# (2 artanh(s)/s - 2)/s² in powers of s², s = f/(2 + f), relative error of artanh 2⁻⁵⁸.
LOG = (
    0.6666666666666735, 0.3999999999940936, 0.2857142874368454, 0.22222198429247714, 0.18183572336928003,
    0.15313832741441616, 0.14798251678475077,
)  # fmt: skip


def _split(x: Value) -> tuple[Value, Value]:
    """k and f."""
    subnormal = x < 2.0**-1022
    bits = (x * 2.0**54).where(subnormal, x).bits()
    above = bits - SQRT_HALF
    # To double by way of MAGIC's low bits: few processors convert 64-bit integers.
    k = ((above >> 52) + MAGIC_BITS).double() - MAGIC
    f = (bits - (above & TOP_TWELVE)).double() - 1.0
    return (k - 54.0).where(subnormal, k), f


def _log1p_parts(f: Value) -> tuple[Value, Value]:
    """h and t in log(1 + f) = f - h + t, h = f²/2."""
    s, h = f / (f + 2.0), f * f * 0.5
    z = s * s
    return h, s * fma(z, polynomial(z, LOG), h)


def _add_exponent(k: Value, unit: tuple[float, float], y: Value, low: Value) -> Value:
    """k·unit + y + low, where k·unit[0] is exact, and 0 or not below y in size."""
    whole = k * unit[0]
    high = whole + y
    return high + (((whole - high) + y) + fma(k, unit[1], low))


def _ends_of_log(x: Value, y: Value) -> Value:
    """`y` = log x, put right where x is 0, negative, infinite or nan."""
    return y.where(x < math.inf, x).where(x > 0.0, x.b.constant(-math.inf).where(x.compare("oeq", 0.0), math.nan))


def log(x: Value) -> Value:
    """ln x within 1 ULP."""
    k, f = _split(x)
    h, t = _log1p_parts(f)
    return _ends_of_log(x, _add_exponent(k, LN2_PARTS, f, t - h))


def log1p(x: Value) -> Value:
    """ln(1 + x) within 1 ULP: ln of the rounded sum u, plus (1 + x - u)/u; where k = 0, f is x itself."""
    u, lost = two_sum(x, 1.0)
    k, f = _split(u)
    near = k.compare("oeq", 0.0)
    f = x.where(near, f)
    h, t = _log1p_parts(f)
    t = t + x.b.constant(0.0).where(near, lost / u)
    y = _ends_of_log(u, _add_exponent(k, LN2_PARTS, f, t - h))
    return x.where(abs(x) < 2.0**-54, y)


def _log_to_base(x: Value, scale: tuple[float, float], unit: tuple[float, float]) -> Value:
    """ln x·scale, where unit = ln 2·scale; both in two parts."""
    k, f = _split(x)
    h, t = _log1p_parts(f)
    high = f - h
    low = fma(f * -0.5, f, f - high) + t
    y = high * scale[0]
    rest = fma(high, scale[0], -y) + fma(low, scale[0], high * scale[1])
    return _ends_of_log(x, _add_exponent(k, unit, y, rest))


def log2(x: Value) -> Value:
    """log₂ x within 1 ULP; exact at powers of two."""
    return _log_to_base(x, (1.4426950408889634, 2.0355273740931033e-17), (1.0, 0.0))


def log10(x: Value) -> Value:
    """log₁₀ x within 1 ULP."""
    scale, unit = (0.4342944819032518, 1.098319650216765e-17), (0.30102999566361177, 3.694239077158931e-13)
    return _log_to_base(x, scale, unit)


# --- powers: e to the y·log|x|, the logarithm in two parts, right to some 64 bits ---------------------------------

TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)
# (2 artanh(s)/s - 2 - 2s²/3)/s⁴ in powers of s², relative error of artanh 2⁻⁷³.
LOG_FOR_POW = (
    0.3999999999999998, 0.2857142857144385, 0.22222222217785356, 0.1818181884467038, 0.1538455837546247,
    0.1333626674019217, 0.11675732047080141, 0.11982180042170992,
)  # fmt: skip


def long_log(x: Value) -> tuple[Value, Value]:
    """ln x in two parts for x ≥ 0: 2s + s³(2/3 + q), s = f/(2 + f); every letter has its own low part."""
    k, f = _split(x)
    bottom = f + 2.0
    inverse = 1.0 / bottom
    s = f * inverse
    s_low = fma(-s, (2.0 - bottom) + f, fma(-s, bottom, f)) * inverse
    z = s * s
    z_low = fma(s + s, s_low, fma(s, s, -z))
    q = z * polynomial(z, LOG_FOR_POW)
    p = q + TWO_THIRDS[0]
    p_low = ((TWO_THIRDS[0] - p) + q) + TWO_THIRDS[1]
    w = z * p
    w_low = fma(z, p, -w) + fma(z, p_low, z_low * p)
    v = s * w
    v_low = fma(s, w, -v) + fma(s, w_low, s_low * w)
    whole, twice = k * LN2_PARTS[0], s + s
    y = twice + v
    y_low = ((twice - y) + v) + (s_low + s_low + v_low)
    high = whole + y
    low = ((whole - high) + y) + fma(k, LN2_PARTS[1], y_low)
    total = high + low
    return _ends_of_log(x, total), (high - total) + low


def power(x: Value, y: Value) -> Value:
    """x to the y within 1 ULP, and C's many special cases."""
    y = y.clamp(-(2.0**1000), 2.0**1000)  # 1 to the inf is 1, as to the 2¹⁰⁰⁰
    size = abs(x)
    log_size, log_low = long_log(size)
    product = y * log_size
    low = fma(y, log_size, -product) + y * log_low
    low = low.where(abs(product) < 750.0, 0.0)
    shifted, r, lost = _reduce(product.clamp(-750.0, 750.0), low)
    result = _scale(_exp_reduced(r, lost), shifted)
    whole = y.compare("oeq", y.intrinsic("trunc"))
    half = y * 0.5
    signed = result.where(half.compare("oeq", half.intrinsic("trunc")), result.with_sign_of(x))
    undefined = x.b.constant(math.nan).where(x < 0.0, result).where(size < math.inf, result)
    result = signed.where(whole, undefined)
    one = x.b.constant(1.0)
    return one.where(x.compare("oeq", 1.0), one.where(y.compare("oeq", 0.0), result))


# --- circular functions: |x| = n·π/2 + r, |r| ≤ π/4 --------------------------------------------------------------

# π/2 in three parts: with |x| < LARGE, n·HALF_PI[1] is exact, and so is |x| - n·HALF_PI[0], a multiple of 2⁻⁵³ below 1.
HALF_PI, LARGE = (1.5707963267948966, 6.12323399538461e-17, 3.5215598651832e-27), 2.0**20
# (sin r/r - 1)/r² in powers of r², relative error of sin 2⁻⁵⁸.
SIN = (
    -0.16666666666666632, 0.008333333333322486, -0.0001984126982985361, 2.7557313705168017e-06, -2.5050759907910515e-08,
    1.5896887668052148e-10,
)  # fmt: skip
# (cos r - 1 + r²/2)/r⁴ in powers of r², error of cos 2⁻⁶⁴.
COS = (
    0.0416666666666666, -0.001388888888887447, 2.4801587289638828e-05, -2.7557314380693916e-07, 2.0875724998767774e-09,
    -1.1359636746878321e-11,
)  # fmt: skip
# (tan r/r - 1)/r² in powers of r², relative error of tan 2⁻⁵⁶.
TAN = (
    0.33333333333332715, 0.13333333333422695, 0.053968253923034004, 0.02186948969128808, 0.008863218066060812,
    0.003592298491553186, 0.001454703494459058, 0.0005952836497786449, 0.00022176172047475712, 0.00013774769603968102,
    -2.8043188983239857e-05, 9.09198350551732e-05, -4.5641183006092e-05, 2.1041002732517897e-05,
)  # fmt: skip


#: An angle as an integer whose last two bits are those of n, and r in two parts.
Turns = tuple[Value, Value, Value]


def _quarter_turns(x: Value) -> Turns:
    """An angle below LARGE."""
    shifted = fma(x, 0.6366197723675814, MAGIC)
    n = shifted - MAGIC
    first = fma(-n, HALF_PI[0], x)
    r = fma(-n, HALF_PI[1], first)
    return shifted.bits(), r, fma(-n, HALF_PI[2], fma(-n, HALF_PI[1], first - r))


def sine(turns: Turns, ahead: int) -> Value:
    """The sine of an angle and `ahead` quarters of a turn."""
    n, r, low = turns
    n = n + ahead
    z = r * r
    sine = r + fma(z * r, polynomial(z, SIN), fma(z * -0.5, low, low))
    most = 1.0 - z * 0.5
    cosine = most + fma(z * z, polynomial(z, COS), fma(z, -0.5, 1.0 - most) - r * low)
    return flipped(cosine.where(n.odd(), sine), n.op("lshr", 1))


def flipped(y: Value, odd: Value) -> Value:
    """`y` negated where `odd` is odd."""
    return (y.bits() ^ (odd << 63)).double()


def _or_libm(y: Value, x: Value, name: str) -> Value:
    """`y`, but libm's `name` of x in lanes where |x| ≥ LARGE; libm is called only if there is such a lane."""
    b = y.b
    large = abs(x) >= LARGE
    start, called, end = (f"{large.name[1:]}.{part}" for part in ("start", "called", "end"))
    b.lines += [f"br label %{start}", f"{start}:"]
    some = b.any(large)
    b.lines += [f"br i1 {some.name}, label %{called}, label %{end}", f"{called}:"]
    value = b.lane_by_lane(name, x).where(large, y)
    b.lines += [f"br label %{end}", f"{end}:"]
    return b.emit(y.kind, f"phi {y.kind} [ {y.name}, %{start} ], [ {value.name}, %{called} ]")


def sin(x: Value) -> Value:
    """The sine of x within 1 ULP; libm's beyond 2²⁰."""
    return _or_libm(flipped(sine(_quarter_turns(abs(x)), 0), x.bits().op("lshr", 63)), x, "sin")


def cos(x: Value) -> Value:
    """The cosine of x within 1 ULP; libm's beyond 2²⁰."""
    return _or_libm(sine(_quarter_turns(abs(x)), 1), x, "cos")


def tangent(turns: Turns) -> Value:
    """The tangent of an angle, -1/tan r where n is odd."""
    n, r, low = turns
    z = r * r
    cube = z * r
    cube_low = fma(z, r, -cube) + fma(r, r, -z) * r
    about = fma(cube, 0.4, r)
    rest = fma(cube_low, TAN[0], fma(low * about, about, low))  # tan' r = 1 + tan² r
    rest = fma(cube, TAN[0], fma(cube, z * polynomial(z, TAN[1:]), rest))
    y = r + rest
    inverse = -1.0 / y
    rest = (r - y) + rest
    correction = fma(inverse, rest, fma(inverse, y, 1.0))
    return fma(inverse, correction, inverse).where(n.odd(), y)


def tan(x: Value) -> Value:
    """The tangent of x within 1 ULP; libm's beyond 2²⁰."""
    return _or_libm(flipped(tangent(_quarter_turns(abs(x))), x.bits().op("lshr", 63)), x, "tan")


# (atan t/t - 1)/t² in powers of t², |t| ≤ 7/16, relative error of atan 2⁻⁵⁷.
ATAN = (
    -0.33333333333332926, 0.199999999998751, -0.14285714272379596, 0.11111110399881315, -0.09090886988041612,
    0.07691873856882361, -0.06661048886377571, 0.058334098164373294, -0.04976221952866751, 0.03651644363394394,
    -0.016270791662381618,
)  # fmt: skip
# From here on x is (c + t)/(1 - ct), c given with atan c in two parts; the ranges are those of FreeBSD's msun.
ATAN_RANGES = (
    (0.4375, 0.5, 0.4636476090008061, 2.2698777452961687e-17),
    (0.6875, 1.0, 0.7853981633974483, 3.061616997868383e-17),
    (1.1875, 1.5, 0.982793723247329, 1.3903311031230998e-17),
)
ATAN_INVERSE = (2.4375, 1.5707963267948966, 6.123233995736766e-17)  # from here on t = -1/x


def atan(x: Value) -> Value:
    """The angle whose tangent is x within 1 ULP: atan c + atan((x - c)/(1 + cx))."""
    size = abs(x)
    c = high = low = x.b.constant(0.0)
    for start, *row in ATAN_RANGES:
        here = size >= start
        c, high, low = (x.b.constant(new).where(here, old) for new, old in zip(row, (c, high, low), strict=True))
    far = size >= ATAN_INVERSE[0]
    high, low = (x.b.constant(new).where(far, old) for new, old in zip(ATAN_INVERSE[1:], (high, low), strict=True))
    t = x.b.constant(-1.0).where(far, size - c) / size.where(far, fma(c, size, 1.0))
    z = t * t
    y = high + (t + fma(z * t, polynomial(z, ATAN), low))
    return y.with_sign_of(x)


# --- error function ----------------------------------------------------------------------------------------------

# erf(x)/x - 1 in powers of x², |x| ≤ 0.92, relative error of erf 2⁻⁵⁶.
ERF = (
    0.1283791670955126, -0.37612638903183715, 0.11283791670952942, -0.02686617064465443, 0.005223977620048308,
    -0.0008548326662512817, 0.00012055317627329763, -1.4925218883516714e-05, 1.6453986686675517e-06,
    -1.6263931798638937e-07, 1.3984786369164451e-08, -8.341691843780812e-10,
)  # fmt: skip
# exp(x²)erfc(x) in powers of (x - 2.5)/(x + 3), 0.91 ≤ x ≤ 6, error of erf 2⁻⁵⁹.
ERF_TAIL = (
    0.2108063640611433, -0.40891040734385675, 0.34546400452833076, -0.2314226895403243, 0.11792238650472747,
    -0.041056456018598204, 0.006200447519831692, 0.0021134841781547684, -0.0012209714478613257, -3.504243071303847e-05,
    0.0001813611315668533, 6.180103400327402e-06, -1.6577249464093518e-05,
)  # fmt: skip
# (x + 27/32)exp(x²)erfc(x), 0.56 to 0.85, in powers of (x - 2.09375)/(x + 3.5), 0 ≤ x ≤ 28, relative error 2⁻⁵⁶. By least
# squares at 160 Chebyshev points; about 2.09375 the first two coefficients are nearly doubles.
ERFC = (
    0.7218570883090577, -0.25786439500808656, 0.10115765948928772, 0.08544325321307712, -0.20452893664546784,
    0.2112291305391097, -0.13857139632076146, 0.05524542452111864, -0.00652316490106051, -0.00599372293319683,
    0.0028489890427068855, 0.0003842628621359295, -0.0005810938127410918, -7.576167278519459e-06,
    0.00011542112988369082, -6.268488166085875e-07, -2.4591264701821066e-05, -1.1868605113690523e-06,
    5.4911932909857906e-06, 7.067393185657491e-07, -1.1673899348776694e-06, -1.5418155690112881e-07,
    1.6887056755440643e-07,
)  # fmt: skip


def _gaussian(size: Value) -> tuple[Value, Value, Value]:
    """e to the -size², size ≤ 28: without its power of two, what is lost of that, and the exponent."""
    square = size * size
    shifted, r, lost = _reduce(-square)
    e, e_low = _exp_parts(r, lost)
    return e, fma(fma(size, size, -square), -e, e_low), shifted


def erf_and_gaussian(x: Value) -> tuple[Value, Value]:
    """erf x within 1 ULP, and the bits of exp(-x·x): a polynomial below 0.92, 1 - exp(-x²)·(a polynomial) above."""
    size = abs(x).clamp(0.0, 28.0)
    square = size * size
    near = fma(size, polynomial(square, ERF), size)
    e, low, shifted = _gaussian(size)
    far = fma(-_scale(e + low, shifted), polynomial((size - 2.5) / (size + 3.0), ERF_TAIL), 1.0)
    return near.where(size < 0.92, far).with_sign_of(x), _scale(e, shifted)


def erf(x: Value) -> Value:
    """The error function within 1 ULP."""
    return erf_and_gaussian(x)[0]


def erfc_and_gaussian(x: Value) -> tuple[Value, Value]:
    """1 - erf x within 2 ULP, subnormal results included, and the bits of exp(-x·x).

    exp(-x²), the polynomial and x + 27/32, by which their product is divided, are kept in two parts.
    """
    size = abs(x).clamp(0.0, 28.0)
    e, low, shifted = _gaussian(size)
    bottom, other = size + 0.84375, size + 3.5
    both = 1.0 / (bottom * other)
    inverse = both * other
    u = (size - 2.09375) * (both * bottom)
    bend = u * polynomial(u, ERFC[1:])
    scaled = bend + ERFC[0]
    top = e * scaled
    top_low = fma(e, scaled, -top) + fma(low, scaled, e * ((ERFC[0] - scaled) + bend))
    q = top * inverse
    rest = fma(-q, bottom, top) + fma(-q, size - (bottom - 0.84375), top_low)  # bottom - 27/32 is exact
    far = _scale(fma(rest, inverse, q), shifted)
    return (2.0 - far).where(x < 0.0, far), _scale(e, shifted)


def erfc(x: Value) -> Value:
    """1 - erf(x) within 2 ULP, subnormal results included."""
    return erfc_and_gaussian(x)[0]


#: The functions that have vector code, by their names in C.
FUNCTIONS: dict[str, Callable[..., Value]] = {
    f.__name__: f
    for f in (exp, exp2, expm1, log, log2, log10, log1p, sin, cos, tan, atan, sinh, cosh, tanh, erf, erfc, sigmoid)
} | {"pow": power}

#: Functions of x that give exp(-x·x) too, their derivative but for a constant; by the names of their first results in C.
WITH_GAUSSIAN = {"erf": erf_and_gaussian, "erfc": erfc_and_gaussian}


#: The names of all of them; that of a pair of results is `erf_gaussian`.
NAMES = frozenset([*FUNCTIONS, *(f"{name}_gaussian" for name in WITH_GAUSSIAN)])


@cache
def library(name: str, width: int) -> Module:
    """A function for values of `width` lanes: `exp` as `@exp_v8` and so on, `erf` and exp(-x·x) as `@erf_gaussian_v8`.

    `@exp_each_v8` is for arrays, whose length is a multiple of that.
    """
    module, kind = Module(width, vectorised=FUNCTIONS), vector(width)
    formula = FUNCTIONS.get(name)
    if formula is None:
        pair = WITH_GAUSSIAN[name.removesuffix("_gaussian")]
        module.function(f"{name}_v{width}", [kind], lambda b, x: b.pair(*pair(x)))
    else:
        arity = 1 + (formula is power)
        module.function(f"{name}_v{width}", [kind] * arity, lambda _, *x: formula(*x))
        module.function(f"{name}_each_v{width}", [*["ptr"] * (arity + 1), "i64"], partial(_each, name))
    return module


def _each(name: str, b: Builder, *arguments: Value) -> None:
    *given, result, count = arguments
    with b.counted(count, step=b.width) as (k,):
        value = b.library(name, *[array.at(k).load(b.double) for array in given])
        result.at(k).store(value)
