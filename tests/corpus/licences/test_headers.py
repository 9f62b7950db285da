"""headwater/corpus/licences/headers.py: tags and notices as they stand in files."""

from __future__ import annotations

import pytest

from headwater.corpus.licences.headers import licence_in


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("# SPDX-License-Identifier: Apache-2.0\nimport os", "Apache-2.0"),
        ("/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */", "(GPL-2.0-only OR MIT)"),
        ("<!-- SPDX-License-Identifier: CC-BY-4.0 -->", "CC-BY-4.0"),
        ("// SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note\n#include", "GPL-2.0 WITH Linux-syscall-note"),
        (
            "/*\n * This program is free software; you can redistribute it and/or modify\n * it under the terms of the GNU General Public"
            " License as published by\n * the Free Software Foundation; either version 2 of the License, or\n * (at your option) any later"
            " version.\n */",
            "GPL-2.0-or-later",
        ),
        ("# under the terms of the GNU Lesser General Public License, version 2.1.", "LGPL-2.1-only"),
        ("// This file is part of X, licensed under version 3 of the GNU Affero General Public License only.", "AGPL-3.0-only"),
        ('# Licensed under the Apache License, Version 2.0 (the "License");\n# you may not use', "Apache-2.0"),
        ("-- This Source Code Form is subject to the terms of the Mozilla Public\n-- License, v. 2.0. If a copy", "MPL-2.0"),
        ("// Use of this code is released under the MIT license.", "MIT"),
        ("# Permission is hereby granted, free of charge, to any person obtaining\n# a copy of this software", "MIT"),
        (
            "// Redistribution and use in source and binary forms, with or without\n// modification\n// * Neither the name of",
            "BSD-3-Clause",
        ),
        ("// Redistribution and use in source and binary forms, with or without\n// modification", "BSD-2-Clause"),
        ("; This file is in the public domain.", "LicenseRef-Public-Domain"),
        ("// CONFIDENTIAL. Unauthorized copying of this file, via any medium, is strictly prohibited.", "LicenseRef-Proprietary"),
        ("# Just a script\nimport sys\n", None),
        ("# see the GNU General Public License for more details", None),
        ("def mit(license): return license", None),
    ],
)
def test_notices(header: str, said: str | None) -> None:
    assert licence_in(header) == said
