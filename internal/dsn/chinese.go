package dsn

import (
	"fmt"
	"time"
)

var chinese = words{
	sender:   "邮件投递",
	server:   "邮件服务器",
	colon:    "：",
	greeting: "这是邮件服务器 %s 的通知。",
	subjects: [numActions]string{
		Failed:    "邮件未能送达",
		Delayed:   "邮件延迟，仍在尝试",
		Relayed:   "邮件已转交",
		Expanded:  "邮件已分发",
		Delivered: "邮件已送达",
	},
	headings: [numActions]string{
		Failed:    "您的邮件未能送达以下收件人：",
		Delayed:   "您的邮件尚未送达以下收件人：",
		Relayed:   "您的邮件已转交给以下收件人的服务器，对方服务器不会另发送达回执：",
		Expanded:  "您的邮件已分发给以下地址背后的所有人，是否逐一送达不另行确认：",
		Delivered: "您的邮件已送达以下收件人：",
	},
	closing: [numActions]string{
		Failed:  "系统不会再尝试投递。",
		Delayed: "您无需任何操作，也不必重新发送。系统将继续尝试，直到 %s；如果最终仍未成功，会再通知您。",
	},
	reasons: [numReasons]struct{ what, advice string }{
		reasonNoMailbox:     {"该邮箱不存在。", "请检查地址的拼写。"},
		reasonNoDomain:      {"该域名不存在。", "请检查地址中 @ 之后的部分。"},
		reasonNoMail:        {"该域名不接收任何邮件。", "请检查地址中 @ 之后的部分。"},
		reasonDisabled:      {"该邮箱目前不接收邮件。", "请用其他方式联系收件人。"},
		reasonFull:          {"收件人的邮箱已满。", "请稍后再试，或告知收件人。"},
		reasonTooLarge:      {"邮件太大。", "请减小附件，或改为发送链接。"},
		reasonBusy:          {"对方服务器暂时不接收这封邮件。", "请稍后再试。"},
		reasonUnreachable:   {"无法连接对方服务器。", "请检查地址，或稍后再试。"},
		reasonLoop:          {"邮件在服务器之间循环转发。", "请告知收件人。"},
		reasonRefused:       {"对方服务器拒收这封邮件。", "原因可能见下面的答复。"},
		reasonUnproven:      {"对方无法确认邮件确实来自您的域名。", "请告知您的邮件管理员：问题与 SPF、DKIM 或 DMARC 有关。"},
		reasonNotEncrypted:  {"无法与对方服务器建立加密连接。", "而这封邮件要求加密传输。"},
		reasonNotSecure:     {"对方服务器未能按其域名的要求证明身份。", "请用其他方式告知收件人，需由对方管理员修复。"},
		reasonContent:       {"对方服务器不接受这封邮件的格式或内容。", ""},
		reasonCharacters:    {"对方服务器不支持含有此类文字的地址。", "请改用其他地址。"},
		reasonTooManyPeople: {"一次的收件人太多。", "请分批发送。"},
		reasonTooLate:       {"邮件未能在规定的时间内送达。", ""},
	},
	inVain:         "已尝试 %s，仍未成功。",
	theySaid:       "%s 的答复：\r\n      %s",
	weSaid:         "原因：\r\n      %s",
	about:          "相关邮件：",
	subject:        "主题：%s",
	sent:           "日期：%s",
	reference:      "本服务器编号：%s",
	wholeAttached:  "原邮件见附件。",
	headerAttached: "原邮件的信头见附件。",
	moment:         "2006年1月2日 15:04（-0700）",
	duration:       chineseDuration,
}

func chineseDuration(d time.Duration) string {
	n, unit := inUnits(d)
	return fmt.Sprintf("%d %s", n, [...]string{"分钟", "小时", "天"}[unit])
}
