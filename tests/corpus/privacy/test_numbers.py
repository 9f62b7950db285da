"""headwater/corpus/privacy/numbers.py: check digits against published numbers and against every single-digit error."""

from __future__ import annotations

import pytest

from headwater.corpus.privacy.numbers import IBAN_LENGTHS, ibans, is_card, is_chinese_id, is_iban, luhn

# Published by the issuers for tests; by SWIFT's registry; in GB 11643-1999 itself.
CARDS = ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "3530111333300000", "30569309025904"]
IBANS = ["GB29NWBK60161331926819", "DE89370400440532013000", "FR1420041010050500013M02606", "NO9386011117947",
         "MT84MALT011000012345MTLCAST001S"]  # fmt: skip


@pytest.mark.parametrize("number", CARDS)
def test_no_card_with_one_wrong_digit_is_valid(number: str) -> None:
    assert is_card(number)
    for place in range(len(number)):
        for other in set("0123456789") - {number[place]}:
            assert not luhn(number[:place] + other + number[place + 1 :])


@pytest.mark.parametrize("number", IBANS)
def test_ibans_are_read_to_their_country_length(number: str) -> None:
    assert IBAN_LENGTHS[number[:2]] == len(number) and is_iban(number)
    assert list(ibans(f"{number} NEXT WORD", 0)) == [(0, len(number), "iban")]
    for place in range(4, len(number)):
        if number[place].isdigit():
            wrong = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
            assert list(ibans(wrong, 0)) == []


def test_the_standard_s_own_example() -> None:
    assert is_chinese_id("11010519491231002X") and is_chinese_id("440524188001010014")
    for place in range(17):
        for other in set("0123456789") - {"11010519491231002X"[place]}:
            assert not is_chinese_id("11010519491231002X"[:place] + other + "11010519491231002X"[place + 1 :])


def test_lengths_and_ranges_count() -> None:
    assert not is_card("1111111111111117") and not is_card("41111111111111111"), "no issuer; no such length"
