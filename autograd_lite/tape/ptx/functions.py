"""What a device has in the place of libm: angles of any size, and remainders, in integers.

Every function is IR of one lane, which any processor runs with the same bits.
"""

import math
from collections.abc import Callable
from functools import cache
from itertools import accumulate

from autograd_lite.tape.llvm.ir import Value
from autograd_lite.tape.llvm.vector_math import Turns, flipped, fma, sine, tangent

#: Bits of the significand of a double that are stored, and what they and the exponent are counted from.
FRACTION, BIAS = 52, 1023
SIGNIFICAND = 1 << FRACTION  # the bit that is not stored

# --- angles from 2²⁰ on (Payne and Hanek): x·2/π less whole turns, from the bits of 2/π that matter --------------

#: Words of 64 bits in front of the point of 2/π, and behind it: as many as the largest double takes.
BEFORE, BEHIND = 1, 19
HALF_PI = (1.5707963267948966, 6.123233995736766e-17)


@cache
def two_over_pi() -> list[int]:
    """2/π in words of 64 bits, as signed integers; by Machin's π/4 = 4·atan ⅕ - atan 1/239 in integers."""
    bits = 64 * BEHIND + 64  # the last word holds what the roundings lost
    terms = [16 * _arc_of_reciprocal(5, bits), -4 * _arc_of_reciprocal(239, bits)]
    quotient = (2 << 2 * bits) // sum(terms) >> 64
    words = [quotient >> 64 * k & (1 << 64) - 1 for k in reversed(range(BEFORE + BEHIND))]
    return [word - (word >> 63 << 64) for word in words]


def _arc_of_reciprocal(n: int, bits: int) -> int:
    """atan(1/n) in units of 2 to the -bits."""
    powers = accumulate(range(bits), lambda power, _: -power // (n * n), initial=(1 << bits) // n)
    return sum(power // (2 * k + 1) for k, power in enumerate(powers))


def _window(x: Value) -> tuple[Value, list[Value]]:
    """The significand of x, and the 192 bits of 2/π from the one on whose product with x is less than a turn."""
    b = x.b
    bits = x.bits()
    significand = bits & SIGNIFICAND - 1 | SIGNIFICAND
    # The bit behind the point has place 64·BEFORE; its product with the last bit of x is 2 to the exponent - 1076.
    start = bits.op("lshr", FRACTION) + (64 * BEFORE - 1 - (BIAS + FRACTION + 1))
    word, shift = start >> 6, start & 63
    table = Value(b, "ptr", b.module.table("two_over_pi", two_over_pi())).at(word, "i64")
    words = [table.at(k, "i64").load("i64") for k in range(4)]
    # Twice: a shift by 64 is no shift.
    return significand, [
        (high << shift) | low.op("lshr", 1).op("lshr", shift ^ 63) for high, low in zip(words, words[1:], strict=False)
    ]


def _product(number: Value, words: list[Value]) -> list[Value]:
    """The last 192 bits of a number times a number of three words."""
    wide, carry, product = number.cast("zext", "i128"), None, []
    for word in reversed(words):
        part = wide * word.cast("zext", "i128")
        part = part if carry is None else part + carry
        carry = part.op("lshr", 64)
        product.append(part.cast("trunc", "i64"))
    return product[::-1]


def huge_turns(x: Value) -> Turns:
    """An angle of 2²⁰ or more.

    192 bits of x·2/π mod 4 are right to 2⁻¹³⁷, and no double comes nearer to a multiple of π/2 than 2⁻⁶¹ of it.
    """
    significand, window = _window(x)
    first, second, third = _product(significand, window)
    high, low, rest = (first << 2) | second.op("lshr", 62), (second << 2) | third.op("lshr", 62), third << 2
    n = first.op("lshr", 62) + high.op("lshr", 63)  # the nearest quarter of a turn
    sign = high >> 63
    high, low, rest = high ^ sign, low ^ sign, rest ^ sign  # less 1 in the last bit of 192, which nobody misses
    zeros = x.b.call("i64", "llvm.ctlz.i64", high | 1, Value(x.b, "i1", "false"))
    up = zeros ^ 63
    high = (high << zeros) | low.op("lshr", 1).op("lshr", up)
    low = (low << zeros) | rest.op("lshr", 1).op("lshr", up)
    # The fraction is (high + low·2⁻⁶⁴)·2⁻⁶⁴⁻ᶻ; of it two times 53 bits.
    unit = (((zeros ^ -1) + (BIAS - FRACTION)) << FRACTION).double()  # 2⁻⁵³⁻ᶻ
    head = high.op("lshr", 11).cast("sitofp", "double") * unit
    tail = (((high & 0x7FF) << 42) | low.op("lshr", 22)).cast("sitofp", "double") * unit * 2.0**-53
    product = head * HALF_PI[0]
    lost = fma(head, HALF_PI[0], -product) + fma(head, HALF_PI[1], tail * HALF_PI[0])
    r = product + lost
    return n, flipped(r, sign), flipped((product - r) + lost, sign)


def _finite(x: Value, y: Value) -> Value:
    return y.where(abs(x) < math.inf, math.nan)


def _huge_sin(x: Value) -> Value:
    """sin x, |x| ≥ 2²⁰, within 1 ULP."""
    return _finite(x, flipped(sine(huge_turns(abs(x)), 0), x.bits().op("lshr", 63)))


def _huge_cos(x: Value) -> Value:
    """cos x, |x| ≥ 2²⁰, within 1 ULP."""
    return _finite(x, sine(huge_turns(abs(x)), 1))


def _huge_tan(x: Value) -> Value:
    """tan x, |x| ≥ 2²⁰, within 1 ULP."""
    return _finite(x, flipped(tangent(huge_turns(abs(x))), x.bits().op("lshr", 63)))


# --- remainders ---------------------------------------------------------------------------------------------------


def _parts(bits: Value) -> tuple[Value, Value]:
    """Significand and exponent of a positive double, which is their product with 2⁻¹⁰⁷⁵; a subnormal's exponent is 1."""
    exponent = bits.op("lshr", FRACTION)
    normal = exponent.compare("sgt", 0)
    fraction = bits & SIGNIFICAND - 1
    return (fraction | SIGNIFICAND).where(normal, fraction), exponent.where(normal, 1)


def _fmod(x: Value, y: Value) -> Value:
    """The remainder of x/y rounded towards 0, exact: eleven bits of the quotient at a time."""
    b, (size, other) = x.b, (abs(x), abs(y))
    (significand, exponent), (divisor, own) = _parts(size.bits()), _parts(other.bits())
    divisor = divisor.where(divisor.compare("ne", 0), 1)
    distance = b.constant(0, "i64").where(size < other, exponent - own)
    with b.counted(distance, step=11, carried=[significand.op("urem", divisor)]) as turn:
        done, rest = turn
        left = distance - done
        step = left.where(left.compare("slt", 11), 11)
        turn[1] = (rest << step).op("urem", divisor)
    unit = ((own - FRACTION) << FRACTION).where(own.compare("sgt", FRACTION), b.constant(1, "i64") << (own - 1 & 63))
    whole = (rest.cast("sitofp", "double") * unit.double()).with_sign_of(x)
    defined = (size < math.inf) & (other > 0.0)
    return x.where(size < other, whole).where(defined, math.nan)


#: Functions that vector code leaves to libm, by their names in C: `sin`, `cos` and `tan` from 2²⁰ on.
OWN: dict[str, Callable[..., Value]] = {"sin": _huge_sin, "cos": _huge_cos, "tan": _huge_tan, "fmod": _fmod}
