"""What do the names in a page mean? Tables for the scanner: tags by what they do to the text, and the words that
authors of pages put into `class`, `id`, `role` and `itemprop`, sorted into kinds.

The words are general knowledge of web pages in several languages; none is of a single site. `lookup` is read by compiled
code, so names are kept as 64-bit hashes in an open-addressed table.
"""

from __future__ import annotations

from functools import cache

import numpy as np

# What a tag does to the text: one number a tag (the scanner's `role`).
INLINE, BLOCK, HEADING, ITEM, ROW, CELL, PRE, LIST, TABLE, BREAK = range(10)
SKIP, RAW, VOID, LINK, CODE, MATH, ANNOTATION, TITLE, SCRIPT, QUOTE = range(10, 20)

PLAIN_BLOCKS = (
    "html body div p section article main header footer nav aside form fieldset figure figcaption address dl dt dd details "
    "summary hgroup center caption thead tbody tfoot colgroup legend label search dialog menuitem"
)
TAGS: dict[str, tuple[int, int]] = {}
"""Tag: (number, role). Numbers below 64 also name a bit in the set of open tags."""


def _number(role: int, names: str | list[str]) -> None:
    for name in names.split() if isinstance(names, str) else names:
        TAGS[name] = (len(TAGS) + 1, role)


_number(BLOCK, PLAIN_BLOCKS)
_number(HEADING, "h1 h2 h3 h4 h5 h6")
_number(ITEM, "li")
_number(LIST, "ul ol menu")
_number(ROW, "tr")
_number(CELL, "td th")
_number(TABLE, "table")
_number(PRE, "pre listing xmp")
_number(QUOTE, "blockquote")
_number(LINK, "a")
_number(INLINE, "b strong em i")
_number(SKIP, "template svg noscript object select option textarea datalist canvas audio video map button frameset head rt rp")
_number(CODE, "code")
_number(MATH, "math")
_number(ANNOTATION, "annotation")
_number(TITLE, "title")
_number(SCRIPT, "script")
_number(RAW, "style iframe noembed noframes plaintext")
_number(BREAK, "br")
_number(VOID, "area base col embed hr img input link meta param source track wbr basefont bgsound frame keygen")
_number(
    INLINE, "abbr bdi bdo big cite data del dfn font ins kbd mark q s samp small span strike sub sup time tt u var acronym nobr picture"
)
_number(
    INLINE, "mi mn mo mrow mfrac msup msub msubsup msqrt mroot mtext mspace mover munder munderover mtable mtr mtd mstyle mpadded semantics"
)
_number(INLINE, "ruby rb rtc")

KINDS = {
    "comment": (
        "comment comments comentario comentarios commentaires commentaire kommentar kommentare komentarze reactie reacties "
        "commenti disqus respond reply replies discussion commentlist commentform livefyre 评论 pinglun guestbook trackback "
        "pingback"
    ),
    "nav": (
        "nav navigation navbar navi menu menus submenu breadcrumb breadcrumbs crumb crumbs pagination pager paging paginator "
        "toc sitemap topbar menubar megamenu dropdown tabs tablist skip skiplink skiplinks daohang pagenavi postnav navlinks"
    ),
    "footer": (
        "footer foot bottom colophon copyright fineprint impressum legal disclaimer imprint contentinfo fuss footnote "
        "footnotes pied rodape pie"
    ),
    "header": "header masthead banner top logo branding hero topnav siteheader kopf entete cabecalho",
    "sidebar": (
        "sidebar sidebars side aside rail widget widgets secondary tertiary complementary right left rightcol leftcol "
        "rightcolumn leftcolumn marginalia seitenleiste sidebars sideblock"
    ),
    "share": (
        "share sharing shares social socials socialmedia facebook twitter whatsapp addthis sharedaddy jp follow followus like "
        "likes pinterest sharethis addtoany linkedin instagram telegram tumblr reddit sharebar bookmark bookmarks teilen "
        "partager wechat weibo fenxiang xing"
    ),
    "related": (
        "related relateds recommend recommended recommendation recommendations similar more teaser teasers popular trending "
        "trend latest recent recents next prev previous readmore outbrain taboola yarpp mostread promo promos promotion "
        "suggestion suggestions also upnext carousel slider swiper slick slides slideshow relatedposts relatedposts morefrom "
        "crosslink crosslinks related-articles articlelist newslist postlist list listing archive grid cards tile tiles feed "
        "stream ticker headlines xiangguan tuijian"
    ),
    "ad": (
        "ad ads adv advert adverts advertisement advertisements advertising adsense adsbygoogle sponsor sponsored sponsors "
        "werbung anzeige anzeigen publicidad publicite reklama annons dfp gpt adslot adcontainer adbox adunit adwrapper "
        "adspace admanager guanggao commercial affiliate doubleclick"
    ),
    "consent": (
        "cookie cookies consent gdpr cmp modal popup pop overlay lightbox dialog privacy notice notification optanon onetrust "
        "cookiebar cookiebanner cookieconsent cookienotice paywall alert toast snackbar eu datenschutz tooltip popover"
    ),
    "account": (
        "newsletter newsletters subscribe subscription subscriptions signup login signin register registration account form "
        "forms search searchform searchbox cart basket donate donation optin mailchimp abo abonnement zoeken suche suchen "
        "recherche buscar poll survey vote contact contacts kontakt quiz"
    ),
    "meta": (
        "meta metadata byline author authors autor autoren date datetime published publish posted pubdate timestamp time tag "
        "tags category categories cat info postmeta entrymeta keywords views view rating ratings stars bio vcard avatar source "
        "editor reporter readingtime labels rubrik topic topics taxonomy terms postdate articleinfo articlemeta profile user"
    ),
    "content": (
        "content contents article body post entry text story main hentry single prose markdown richtext rich copy detail "
        "details articletext paragraph paragraphs inhalt artikel beitrag contenu conteudo contenido texte testo tekst nota "
        "noticia wysiwyg editor zhengwen neirong blogpost page document doc wrapper container readable"
    ),
    "body": (
        "articlebody entrycontent postcontent articlecontent postbody entrybody storybody storycontent maincontent contentbody "
        "bodytext bodycopy bodycontent textbody newscontent newsbody newstext articletext storytext pagecontent singlecontent "
        "contentarticle articlefulltext fulltext bodymain tdpostcontent postentry entrytext articledetail newsdetail "
        "detailcontent contentdetail blogcontent postarticle contenttext thecontent richtext articlebodycontent mwparseroutput "
        "mwcontent parseroutput markdownbody fieldnamebody nodecontent articleparagraph textcontent itemfulltext "
        "blogpostcontent blogbody posttext reviewbody recipebody documentwrapper reader"
    ),
    "caption": (
        "caption captions figure figcaption credit credits image images img photo photos gallery galleries wpcaption bild "
        "bilder bildunterschrift media video videos player embed embedded foto fotos picture pictures thumbnail thumb thumbs "
        "audio podcast slideshow zoom"
    ),
    "hidden": (
        "hidden hide sr only screen screenreader visually invisible noprint noscript offscreen collapsed dnone tracking mobile "
        "desktop printonly jshidden"
    ),
    "title": (
        "title headline heading subtitle subheadline deck dek standfirst lead lede intro introduction vorspann teasertext "
        "summary abstract excerpt description kicker chapeau chapo leadtext strapline subhead titre titel titulo biaoti"
    ),
    "shop": "price prices product products shop buy sku stock shipping versand warenkorb preis delivery checkout wishlist",
    "tools": (
        "tools tool toolbar actions action buttons button btn print printer icons icon controls options option toggle back "
        "totop scroll close download downloads edit report flag permalink anchor headerlink loader loading"
    ),
    "quote": (
        "quote quotes blockquote pullquote citation zitat faq answer answers question questions lyrics poem verse recipe "
        "ingredients instructions steps"
    ),
    "forum": "forum thread threads topic topics postbody message messages board bbs signature sig quoted postcontent",
}  # fmt: skip
"""Kind: words of class, id, role and itemprop. Words also match as pairs written together (`entry-content` = `entrycontent`)."""
KIND_BIT = {kind: bit for bit, kind in enumerate(KINDS)}
SIZE = 4096
OFFSET, PRIME, MASK = 14695981039346656037, 1099511628211, (1 << 62) - 1


def hash_of(name: str) -> int:
    """FNV-1a over UTF-8, 64 bits, cut to 62 so that it is a positive int64."""
    value = OFFSET
    for byte in name.encode():
        value = ((value ^ byte) * PRIME) & 0xFFFFFFFFFFFFFFFF
    return value & MASK


def table(entries: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """`(keys int64 [SIZE], values int64 [SIZE])`; key 0 is an empty place."""
    keys, values = np.zeros(SIZE, np.int64), np.zeros(SIZE, np.int64)
    for name, value in entries.items():
        key = hash_of(name)
        place = key & (SIZE - 1)
        while keys[place] not in (0, key):
            place = (place + 1) & (SIZE - 1)
        keys[place] = key
        values[place] |= value
    return keys, values


@cache
def tag_table() -> tuple[np.ndarray, np.ndarray]:
    """Hash of a tag to `number * 32 + role`."""
    return table({name: number * 32 + role for name, (number, role) in TAGS.items()})


@cache
def word_table() -> tuple[np.ndarray, np.ndarray]:
    """Hash of a word to the set of its kinds, one bit a kind."""
    entries: dict[str, int] = {}
    for kind, words in KINDS.items():
        for word in words.replace("-", "").split():
            entries[word] = entries.get(word, 0) | 1 << KIND_BIT[kind]
    return table(entries)


TAG_NAME = {number: name for name, (number, _) in TAGS.items()}
