"""The order of the C++ library's hash table, as a program of C++ printed it, and Kaldi's hash codes."""

from __future__ import annotations

import numpy as np

from nnet.examples.hash_order import HashOrder, chain_code, indexes_code, inputs_code, string_code

FEW = "335 244 488 397 641 550 794 703 947 856 91 0"
MANY = (
    "87 240 393 546 699 852 149 302 455 608 335 364 244 273 488 517 397 426 641 670 550 579 794 823 703 732 "
    "761 947 856 182 211 976 91 1005 120 885 0 914 29 58"
)
CHANGED = (
    "484 637 790 240 393 699 852 149 302 608 335 244 488 517 397 426 670 579 794 703 761 947 856 211 976 120 "
    "0 885 29 943 58"
)


def code(i: int) -> int:
    return i * 7919 % 1009


def shown(order: HashOrder) -> str:
    return " ".join(map(str, order))


def test_keys_come_in_the_order_of_an_unordered_map() -> None:
    """std::unordered_map<size_t, int> of libstdc++ 12 whose hash of a key is the key."""
    order = HashOrder()
    for i in range(12):
        order.insert(code(i), code(i))
    assert shown(order) == FEW
    for i in range(12, 40):
        order.insert(code(i), code(i))
    assert shown(order) == MANY
    for i in range(0, 40, 3):
        order.remove(code(i))
    for i in (*range(40, 44), 0):
        order.insert(code(i), code(i))
    assert shown(order) == CHANGED


def test_codes_are_those_of_kaldis_functions() -> None:
    """Of Kaldi's StringHasher, IndexVectorHasher and hashers of structures, compiled apart."""
    a = np.array([[0, t, 0] for t in range(-9, 39)], np.int32)
    b = np.array([[1, t, 2] for t in range(0, 30, 3)], np.int32)
    assert string_code("input") == 399383049758610100
    assert (indexes_code(a), indexes_code(b)) == (2524031, 4275908)
    inputs = [("input", a, 40), ("ivector", b, 100)]
    assert inputs_code(inputs) == 12088586258445995699
    assert chain_code(inputs, [("output", b)]) == 7070090270240436756
