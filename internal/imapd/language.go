package imapd

import (
	"context"
	"strings"
)

// language is what replies say in a language other than English: by the English words.
type language map[string]string

// languages are those that a client can ask for, by their tag in lower case. English
// is what replies are written in, and i-default is English for everybody.
var languages = []struct {
	tag   string
	words language
}{
	{"en", nil},
	{"zh", chinese},
	{"i-default", nil},
}

// setLanguage is LANGUAGE (RFC 5255 §3.2).
func (s *session) setLanguage(context.Context, *command) error {
	var ranges []string
	for !s.dec.AtEnd() {
		var r string
		if !s.dec.SP() || !s.dec.AString(&r) {
			return s.syntax()
		}
		ranges = append(ranges, strings.ToLower(r))
	}
	if !s.dec.End() {
		return s.syntax()
	}
	if len(ranges) == 0 {
		var tags []string
		for _, l := range languages {
			tags = append(tags, l.tag)
		}
		s.line("* LANGUAGE (", strings.Join(tags, " "), ")")
		return nil
	}
	for _, r := range ranges {
		for _, l := range languages {
			if speaks(r, l.tag) {
				s.language = l.words
				s.line("* LANGUAGE (", l.tag, ")")
				return nil
			}
		}
	}
	return no("CANNOT", "None of these languages is spoken here")
}

// speaks reports whether a language is what a range asks for, or what it falls back to
// (RFC 4647 §3.4: en-CA is answered with en).
func speaks(asked, tag string) bool {
	if asked == "default" {
		asked = "i-default"
	}
	return asked == tag || strings.HasPrefix(asked, tag+"-")
}

// inLanguage gives the words of a reply as this client wants to read them.
func (s *session) inLanguage(words string) string {
	if translated, ok := s.language[words]; ok {
		return translated
	}
	return words
}

// chinese has the replies that people get to see.
var chinese = language{
	"Something went wrong here; the server's log says what":    "服务器内部出错，详情见服务器日志",
	"That name or value is not possible here":                  "此处不能使用该名称或值",
	"There is no such mailbox":                                 "没有这个邮箱文件夹",
	"A mailbox of that name exists already":                    "同名的邮箱文件夹已经存在",
	"Somebody else is using it, try again later":               "正被他人使用，请稍后再试",
	"That is not allowed":                                      "不允许此操作",
	"The user name or the password is wrong":                   "用户名或密码错误",
	"The account's quota is used up, delete something first":   "邮箱空间已满，请先删除一些邮件",
	"That is larger than this server accepts":                  "超过了服务器允许的大小",
	"A limit of this server is reached":                        "已达到服务器的限制",
	"The server's disk is full, try again later":               "服务器磁盘已满，请稍后再试",
	"The server cannot do that at the moment, try again later": "服务器暂时无法执行，请稍后再试",
	"Stored data is damaged; the server's log says more":       "存储的数据已损坏，详情见服务器日志",
	"This server does not offer that":                          "服务器不提供此功能",
	"The command was broken off, try again":                    "命令被中断，请重试",
	"Use TLS first":                                            "请先启用 TLS 加密",
	"None of these languages is spoken here":                   "服务器不支持这些语言",
	"Log in first":                                             "请先登录",
	"Select a mailbox first":                                   "请先选择邮箱文件夹",
	"The account is closed; ask its administrator":             "帐户已关闭，请联系管理员",
	"You are logged in already":                                "您已经登录",
	"There is no such command":                                 "没有这个命令",
	"completed":                                                "完成",
}
