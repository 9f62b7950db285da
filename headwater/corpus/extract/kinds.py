"""Is this page one that says nothing? In: a scanned page and its text. Out: for each kind a score from 0 (no) to 1 (surely).

Words alone do not tell (an article may be about error 404), so that a score is evidence times shortness: full for a page with up to
SHORT letters of main text, none from LONG. Words in English, Chinese, German, French, Spanish, Russian and Japanese.
"""

from __future__ import annotations

import re

from headwater.corpus.extract.config import Extract, PageKinds
from headwater.corpus.extract.scan import ADS, FRAMES, PASSWORD, Scanned
from headwater.corpus.quality.rules import Rule

KINDS = tuple(PageKinds.model_fields)
SHORT, LONG = 400, 1500
"""Letters; a Chinese character counts as three."""
HEAD, BEGIN = 3000, 400
"""Bytes of a page's text, characters of its main text, that are searched."""
BROKEN = (
    "not found",
    "can't be found",
    "cannot be found",
    "could not be found",
    "no longer available",
    "no longer exists",
    "does not exist",
    "doesn't exist",
    "access denied",
    "403 forbidden",
    "internal server error",
    "bad gateway",
    "service unavailable",
    "error 404",
    "404 error",
    "页面不存在",
    "网页不存在",
    "内容不存在",
    "页面未找到",
    "页面已删除",
    "页面走丢",
    "頁面不存在",
    "找不到该",
    "找不到您",
    "找不到此",
    "找不到頁面",
    "找不到页面",
    "访问出错",
    "您访问的页面",
    "无法访问",
    "内容已失效",
    "nicht gefunden",
    "existiert nicht",
    "introuvable",
    "n'existe pas",
    "n'existe plus",
    "no encontrada",
    "no encontrado",
    "no se ha encontrado",
    "no existe",
    "не найден",
    "не существует",
    "見つかりません",
    "存在しません",
)
PLACEHOLDER = (
    "under construction",
    "coming soon",
    "launching soon",
    "under maintenance",
    "it works!",
    "welcome to nginx",
    "default page",
    "default web page",
    "default web site page",
    "test page for",
    "index of /",
    "just another wordpress site",
    "hello world!",
    "网站建设中",
    "网站正在建设",
    "网站维护中",
    "网站升级中",
    "正在建设",
    "正在维护",
    "敬请期待",
    "即将上线",
    "im aufbau",
    "in kürze",
    "en construction",
    "bientôt disponible",
    "en construcción",
    "próximamente",
    "в разработке",
    "準備中",
    "工事中",
    "メンテナンス中",
)
LOGIN = (
    "log in",
    "login",
    "log-in",
    "sign in",
    "sign-in",
    "forgot password",
    "forgot your password",
    "登录",
    "登錄",
    "登入",
    "忘记密码",
    "anmelden",
    "passwort vergessen",
    "se connecter",
    "connexion",
    "mot de passe oublié",
    "iniciar sesión",
    "войти",
    "вход",
    "ログイン",
)
PARKED = (
    "domain is for sale",
    "domain name is for sale",
    "domain may be for sale",
    "domain might be for sale",
    "domain is available for sale",
    "buy this domain",
    "domain has expired",
    "domain is parked",
    "parked free",
    "parked domain",
    "domain parking",
    "inquire about this domain",
    "域名出售",
    "域名正在出售",
    "域名转让",
    "域名已过期",
    "域名到期",
    "域名停放",
    "域名可转让",
    "出售此域名",
    "出售该域名",
    "出售本域名",
    "转让此域名",
    "domain steht zum verkauf",
    "nom de domaine est à vendre",
    "dominio está en venta",
    "dominio está a la venta",
    "домен продается",
    "домен продаётся",
    "домен припаркован",
    "ドメインは販売",
    "ドメインを販売",
)
ERROR = re.compile(r"(?<!\d)(?:40[34]|50[0234])(?!\d)")


def scores_of(page: Scanned, title: str, text: str, letters: int) -> dict[str, float]:
    """A score a kind of KINDS. `letters`: how much main text there is; `text`: that text."""
    shortness = max(0.0, min(1.0, (LONG - letters) / (LONG - SHORT)))
    ads = int(page.counts[ADS] + page.counts[FRAMES])
    lorem = text.lower().count("lorem ipsum") if "orem ipsum" in text else 0
    scores = dict.fromkeys(KINDS, 0.0)
    scores["adverts"] = ads / (ads + letters / 100) if ads > 3 else 0.0
    scores["placeholder"] = min(1.0, lorem * 200 / max(1, letters))
    if shortness == 0:
        return scores
    title, text = title.lower(), text[:BEGIN].lower()
    head = page.text[:HEAD].tobytes().decode("utf-8", "ignore").lower()
    if len(head) < BEGIN:
        text = head  # so little that all of it is the main text
    scores["broken"] = max(_evidence(BROKEN, title, text, head), 0.9 if ERROR.search(title) else 0.0) * shortness
    scores["placeholder"] = max(scores["placeholder"], _evidence(PLACEHOLDER, title, text, head) * shortness)
    scores["parked"] = (1.0 if any(words in title or words in head for words in PARKED) else 0.0) * shortness
    asks = int(page.counts[PASSWORD] > 0)
    scores["login"] = min(1.0, 0.4 * asks + 0.6 * _evidence(LOGIN, title, text, head)) * shortness if asks else 0.0
    return scores


def _evidence(phrases: tuple[str, ...], title: str, text: str, head: str) -> float:
    """Full where the title says it; nearly full in the first lines of the main text; less elsewhere on the page."""
    if any(words in title for words in phrases):
        return 1.0
    if any(words in text for words in phrases):
        return 0.9
    return 0.4 if any(words in head for words in phrases) else 0.0


def rules_of(config: Extract) -> list[Rule]:
    """A rule a kind, on the attribute `page.<kind>`, for select."""
    bounds = {kind: getattr(config.pages, kind) for kind in KINDS}
    return [Rule("extract", f"pages.{kind}", f"page.{kind}", bound, bound) for kind, bound in bounds.items()]
