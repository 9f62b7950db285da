"""How were the reference shingles made? In: the licence texts of the SPDX project. Out: references.npz beside this file.

    npm pack spdx-license-list@6.12.0 && tar xzf spdx-license-list-6.12.0.tgz
    python -m headwater.corpus.licences.references package/licenses

No licence text is kept here: of each the 32-bit hashes of its 5-word shingles, of a long one (over 1,000) every eighth by
value, which leaves Jaccard and containment unbiased (Broder 1997, sketches modulo m).
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np

from headwater.core.storage import write_atomically
from headwater.corpus.licences.texts import REFERENCES, shingles

COVERED = (  # noqa: SIM905
    "MIT MIT-0 X11 ISC 0BSD BSD-1-Clause BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear BSD-4-Clause Apache-1.0 Apache-1.1 "
    "Apache-2.0 GPL-1.0-only GPL-2.0-only GPL-3.0-only AGPL-3.0-only LGPL-2.0-only LGPL-2.1-only LGPL-3.0-only MPL-1.0 "
    "MPL-1.1 MPL-2.0 EPL-1.0 EPL-2.0 CPL-1.0 CDDL-1.0 CDDL-1.1 EUPL-1.1 EUPL-1.2 CC0-1.0 CC-BY-3.0 CC-BY-4.0 CC-BY-SA-3.0 "
    "CC-BY-SA-4.0 CC-BY-NC-4.0 CC-BY-NC-SA-4.0 CC-BY-ND-4.0 CC-BY-NC-ND-4.0 Unlicense WTFPL Zlib zlib-acknowledgement BSL-1.0 "
    "PostgreSQL Python-2.0 PSF-2.0 CNRI-Python Artistic-1.0-Perl Artistic-2.0 OFL-1.1 NCSA HPND MS-PL MS-RL MulanPSL-1.0 "
    "MulanPSL-2.0 BUSL-1.1 SSPL-1.0 Elastic-2.0 GFDL-1.2-only GFDL-1.3-only Ruby UPL-1.0 ECL-2.0 AFL-3.0 OSL-3.0 Unicode-3.0 "
    "Unicode-DFS-2016 Unicode-TOU curl libpng-2.0 BlueOak-1.0.0 CECILL-2.1 CECILL-B CECILL-C ODbL-1.0 PDDL-1.0 ODC-By-1.0 Vim "
    "OpenSSL W3C ZPL-2.1 PHP-3.01 QPL-1.0 TCL Sleepycat JSON Beerware FTL IJG NTP Intel Info-ZIP Xnet"
).split()
ALL_BELOW, EVERY = 1000, 8


def build(folder: Path) -> bytes:
    """The .npz of all covered licences from a folder of `<id>.json` with `licenseText`."""
    sketches, scales = [], []
    for name in COVERED:
        text = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["licenseText"]
        hashes = shingles(text)
        scale = 1 if len(hashes) <= ALL_BELOW else EVERY
        sketches.append(hashes[hashes % np.uint32(scale) == 0])
        scales.append(scale)
    starts = np.concatenate([[0], np.cumsum([len(sketch) for sketch in sketches])]).astype(np.int64)
    file = io.BytesIO()
    np.savez_compressed(file, ids=np.array(COVERED), scales=np.array(scales, np.uint32), starts=starts, hashes=np.concatenate(sketches))
    return file.getvalue()


if __name__ == "__main__":
    write_atomically(REFERENCES, build(Path(sys.argv[1])))
