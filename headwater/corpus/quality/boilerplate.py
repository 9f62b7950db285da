"""Which phrases betray a line that nobody wrote to be read? The lists of C4 and RefinedWeb in English, and ours in Chinese."""

from __future__ import annotations

from headwater.corpus.quality.cut import ANYWHERE, BEGINNINGS, COUNTERS, ENDINGS, PLACEHOLDERS, TECHNICAL
from headwater.corpus.quality.phrases import Phrase

# Found inside words as well, as C4's code does it.
ANYWHERE_IN_WORDS = {
    PLACEHOLDERS: ("lorem ipsum", "此处填写", "此处插入", "这里是内容"),
    TECHNICAL: (
        *("javascript", "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"),
        *("使用条款", "服务条款", "隐私政策", "隱私政策", "隐私权", "使用cookie", "使用 cookie", "浏览器设置", "浏览器版本"),
    ),
}
WHOLE_WORDS = {
    BEGINNINGS: (
        *("sign in", "sign-in", "sign up", "log in", "login", "register", "skip to"),
        *("登录", "登陆", "登錄", "登入", "注册", "註冊", "跳到", "跳转", "跳至"),
    ),
    ENDINGS: (
        *("read more", "continue reading", "see more", "show more", "learn more", "view all"),
        *("阅读全文", "閱讀全文", "查看更多", "了解更多", "加载更多", "展开全文", "显示全部", "查看详情", "更多>>"),
    ),
    ANYWHERE: (
        *("items in cart", "item in cart", "add to cart", "shopping cart", "all rights reserved"),
        *("购物车", "購物車", "收藏本站", "设为首页", "設為首頁", "版权所有", "版權所有", "返回顶部", "上一篇", "下一篇"),
    ),
    COUNTERS: (
        *("like", "likes", "people like this", "share", "shares", "comment", "comments", "view", "views", "reply", "replies", "follower"),
        *("followers", "following", "retweet", "retweets", "download", "downloads", "vote", "votes", "upvotes", "points", "rating"),
        *("ratings", "review", "reviews", "photos", "members", "posts", "times read", "bookmarks", "reactions"),
        *("赞", "讚", "点赞", "个赞", "人赞", "评论", "評論", "条评论", "阅读", "閱讀", "次阅读", "浏览", "瀏覽", "次浏览", "转发", "轉發"),
        *("分享", "收藏", "人收藏", "回复", "回覆", "条回复", "播放", "次播放", "粉丝", "粉絲", "关注", "人关注", "下载", "次下载", "人气"),
        *("楼", "樓", "人", "次", "条"),
    ),
}


def boilerplate() -> list[Phrase]:
    inside = [Phrase(text, group, bounded=False) for group, texts in ANYWHERE_IN_WORDS.items() for text in texts]
    return inside + [Phrase(text, group) for group, texts in WHOLE_WORDS.items() for text in texts]


def placeholders() -> list[Phrase]:
    """Those alone that the set `headwater` asks for."""
    return [Phrase(text, PLACEHOLDERS, bounded=False) for text in ANYWHERE_IN_WORDS[PLACEHOLDERS]]
