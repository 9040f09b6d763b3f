package pop3d

import (
	"context"
	"strings"
)

// language is what replies say in a language other than English: by the English words.
type language map[string]string

// languages are those that a client can ask for. English is what replies are written in.
var languages = []struct {
	tag, name, greeting string
	words               language
}{
	{"en", "English", "English it is", nil},
	{"zh", "中文", "现在使用中文", chinese},
}

// lang is LANG (RFC 6856 §3.2): it lists the languages, or goes over to one; "*" is
// that of the account, as far as it is known.
func (s *session) lang(_ context.Context, args string) (reply, error) {
	if args == "" {
		s.say("+OK")
		for _, l := range languages {
			s.say(reply(l.tag + " " + l.name))
		}
		return ".", nil
	}
	if args == "*" {
		args = languages[0].tag
		if s.drop != nil && speaks(s.drop.settings.Language) >= 0 {
			args = s.drop.settings.Language
		}
	}
	i := speaks(args)
	if i < 0 {
		return "-ERR This language is not spoken here; LANG lists those that are", nil
	}
	s.words = languages[i].words
	return reply("+OK " + languages[i].tag + " " + languages[i].greeting), nil
}

// speaks finds the language that a range asks for, or falls back to (RFC 4647 §3.4:
// zh-CN is answered with zh); -1: none.
func speaks(asked string) int {
	asked = strings.ToLower(asked)
	for i, l := range languages {
		if asked == l.tag || strings.HasPrefix(asked, l.tag+"-") {
			return i
		}
	}
	return -1
}

// in gives a reply with the words that a client wants to read: those behind the status
// and the response code, which stay (RFC 2449 §8).
func (l language) in(r reply) reply {
	status, words, _ := strings.Cut(string(r), " ")
	if status != "+OK" && status != "-ERR" {
		return r
	}
	if strings.HasPrefix(words, "[") {
		code, rest, _ := strings.Cut(words, "] ")
		status, words = status+" "+code+"]", rest
	}
	if translated, ok := l[words]; ok {
		return reply(status + " " + translated)
	}
	return r
}

// chinese has the replies that people get to see.
var chinese = language{
	"The server cannot make sense of this": "服务器无法理解该请求",
	"This is no longer there":              "该内容已不存在",
	"Another POP3 session has this mailbox open; close it, or try again in a few minutes": "该邮箱正被另一个 POP3 会话使用；请关闭它，或几分钟后再试",
	"Wrong user or password":                                                         "用户名或密码错误",
	"The account is closed; ask its administrator":                                   "该账户已停用，请联系管理员",
	"The mailbox is full; delete some mail":                                          "邮箱已满，请删除一些邮件",
	"This is too large for the server":                                               "超过了服务器允许的大小",
	"Too much at once; try again later":                                              "请求过多，请稍后再试",
	"The server has no room left; try again later":                                   "服务器空间不足，请稍后再试",
	"A part of the server is out of order; try again later":                          "服务器部分功能暂时不可用，请稍后再试",
	"The server is being restarted; try again later":                                 "服务器正在重启，请稍后再试",
	"You were signed out; log in again":                                              "您已被登出；请重新登录",
	"The server is being restarted; connect again soon":                              "服务器正在重启，请稍后重新连接",
	"The stored mail is damaged; ask the administrator":                              "存储的邮件已损坏，请联系管理员",
	"This is not supported here":                                                     "服务器不支持此功能",
	"Something went wrong on the server; try again later":                            "服务器出现错误，请稍后再试",
	"You were here just now; try again in a few minutes":                             "您刚刚登录过，请几分钟后再试",
	"The folder that is set to be shown by POP3 is not there; ask the administrator": "设定由 POP3 显示的文件夹不存在，请联系管理员",
	"No such message":                     "没有这封邮件",
	"Encrypt the connection first (STLS)": "请先加密连接 (STLS)",
	"Log in first":                        "请先登录",
	"You are logged in already":           "您已经登录",
	"Unknown command":                     "未知命令",
	"This language is not spoken here; LANG lists those that are": "服务器不支持这种语言；LANG 可列出支持的语言",
	"Send your password":   "请发送密码",
	"Welcome":              "欢迎",
	"Goodbye":              "再见",
	"Marked to be deleted": "已标记为删除",
}

// utf8 is UTF8 (RFC 6856 §2.1). Messages are sent as they are stored, with and without
// it: nobody asks for UTF8, and those who do not read such messages all the same.
func (s *session) utf8(_ context.Context, args string) (reply, error) {
	if args != "" {
		return s.wrong("-ERR UTF8 takes no arguments"), nil
	}
	s.inUTF8 = true
	return "+OK UTF-8 it is", nil
}
