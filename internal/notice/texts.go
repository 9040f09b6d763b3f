package notice

import (
	"strings"
	"text/template"

	"posthorn/internal/dsn"
	"posthorn/internal/fault"
)

// Kind is what a letter is about. The names are stored.
type Kind string

// The kinds.
const (
	CertificateTrouble Kind = "certificate"  // something is wrong with one: problem
	RenewalFailed      Kind = "renewal"      // an authority has not issued one: problem, next
	AccountHeld        Kind = "held"         // mail of an account is held, to its owner: as the next one
	AccountSuspected   Kind = "suspected"    // the same, to the operator: recipients, minutes; refused, abroad: "" if that is not why
	QuotaWarning       Kind = "quota"        // a mailbox fills up: percent, used, limit; messages: "" if these are bytes
	QuotaUrgent        Kind = "quota-urgent" // it is high time: the same
	QuotaFull          Kind = "quota-full"   // mail is refused: the same
)

// text is what a kind of letter says in one language: templates, in which {{.account}}
// and the letter's values stand.
type text struct{ subject, body string }

// What an account has done that is held.
const (
	whyHeld = `mail to {{.recipients}} recipients within {{.minutes}} minutes` +
		`{{if .refused}}, of whom {{.refused}} do not exist or were refused{{end}}{{if .abroad}}, from a country that is new to it{{end}}.`
	whyHeldChinese = `{{.minutes}} 分钟内发给 {{.recipients}} 位收件人` +
		`{{if .refused}}，其中 {{.refused}} 位不存在或被拒收{{end}}{{if .abroad}}，且来自该帐户未曾使用过的国家或地区{{end}}。`
)

// texts are a row for each kind, a column for each language. Lines of English end where
// they would reach 72 characters. Each begins with what has happened, and ends with what can be done.
var texts = map[Kind][dsn.NumLanguages]text{
	CertificateTrouble: {
		dsn.English: {"Certificate {{.account}}: {{.problem}}", `
Something is wrong with a certificate that clients are shown:

    {{.account}}
    {{.problem}}

Once it cannot be used, mail programs refuse to connect, and other servers
may keep their mail. "posthorn certificate list" shows what there is.
`},
		dsn.Chinese: {"证书 {{.account}}：{{.problem}}", `
服务器出示给客户端的一张证书有问题：

    {{.account}}
    {{.problem}}

证书失效后，邮件客户端将拒绝连接，其他服务器也可能暂不投递邮件。
请运行 "posthorn certificate list" 查看现有证书。
`},
	},
	AccountHeld: {
		dsn.English: {"Your mail is held: has somebody got your password?", `
Somebody who knows the password of {{.account}} has sent
    ` + whyHeld + `

That is more than people send, and what happens when a password is
stolen. What was sent from your account is not delivered for now;
nothing of it is lost.

If it was you, tell your administrator, who can release it.
If it was not, tell your administrator at once, and change your password,
here and wherever else you use it.
`},
		dsn.Chinese: {"您的邮件已被暂扣：密码是否已泄露？", `
有人使用 {{.account}} 的密码发送了邮件：
    ` + whyHeldChinese + `

这超出了正常的发信量，通常是密码被盗的迹象。从您的帐户发出的邮件目前
暂不投递，但不会丢失。

如果是您本人发送，请告知管理员，由其放行。
如果不是您本人，请立即告知管理员，并更改密码；若其他网站使用同一密码，
也请一并更改。
`},
	},
	AccountSuspected: {
		dsn.English: {"Mail of {{.account}} is held: its password may be stolen", `
{{.account}} has sent
    ` + whyHeld + `

What it submits is accepted, and held in the queue; its owner was told.
"posthorn queue list --held" and "posthorn history {{.account}}" show what
it is.

It was the owner:     posthorn account release {{.account}}
It was somebody else: posthorn account secure {{.account}}
`},
		dsn.Chinese: {"{{.account}} 的邮件已被暂扣：密码可能被盗", `
{{.account}} 发送了：
    ` + whyHeldChinese + `

该帐户提交的邮件仍被接受，但暂扣在队列中；帐户所有者已收到通知。
请运行 "posthorn queue list --held" 和 "posthorn history {{.account}}"
查看详情。

确为本人： posthorn account release {{.account}}
并非本人： posthorn account secure {{.account}}
`},
	},
	QuotaWarning: {
		dsn.English: {"Your mailbox is {{.percent}} % full", `
The mailbox of {{.account}} is {{.percent}} % full: {{.used}} of {{.limit}}{{if .messages}} messages{{end}}.

When it is full, no mail comes in any more. Delete what you do not need,
and empty the Trash.
`},
		dsn.Chinese: {"您的邮箱已使用 {{.percent}}%", `
{{.account}} 的邮箱已使用 {{.percent}}%：{{.used}}，上限 {{.limit}}{{if .messages}} 封{{end}}。

邮箱满后将无法接收新邮件。请删除不需要的邮件，并清空“已删除邮件”文件夹。
`},
	},
	QuotaUrgent: {
		dsn.English: {"Your mailbox is almost full ({{.percent}} %)", `
The mailbox of {{.account}} is almost full: {{.used}} of {{.limit}}{{if .messages}} messages{{end}}.

Soon no mail will come in any more. Delete what you do not need now, and
empty the Trash.
`},
		dsn.Chinese: {"您的邮箱即将用满（{{.percent}}%）", `
{{.account}} 的邮箱即将用满：{{.used}}，上限 {{.limit}}{{if .messages}} 封{{end}}。

很快将无法接收新邮件。请立即删除不需要的邮件，并清空“已删除邮件”文件夹。
`},
	},
	QuotaFull: {
		dsn.English: {"Your mailbox is full: mail is not taken", `
A message for {{.account}} was not taken, for there is no room for it. The
mailbox is {{.percent}} % full: {{.used}} of {{.limit}}{{if .messages}} messages{{end}}.

The sender's server tries again for some days. Delete what you do not
need, and empty the Trash, and the mail will come in.
`},
		dsn.Chinese: {"您的邮箱已满：新邮件无法接收", `
有一封发给 {{.account}} 的邮件因空间不足未被接收。邮箱已使用
{{.percent}}%：{{.used}}，上限 {{.limit}}{{if .messages}} 封{{end}}。

发件方服务器会在数日内重试。请删除不需要的邮件并清空“已删除邮件”文件夹，
邮件即可进入邮箱。
`},
	},
	RenewalFailed: {
		dsn.English: {"No certificate issued for {{.account}}", `
An authority was asked for a certificate for {{.account}} and has issued
none. It said:

    {{.problem}}

The next attempt is {{.next}}. "posthorn certificate list" shows what
clients are shown until then, and "posthorn certificate renew" tries at
once.
`},
		dsn.Chinese: {"未能为 {{.account}} 签发证书", `
服务器为 {{.account}} 申请证书，证书机构未予签发。对方的答复：

    {{.problem}}

下次尝试的时间：{{.next}}。请运行 "posthorn certificate list" 查看目前
出示的证书，或运行 "posthorn certificate renew" 立即重试。
`},
	},
}

// words are a letter's subject and text.
func (l Letter) words(language dsn.Language) (subject, body string, err error) {
	text := texts[l.Kind][language]
	if subject, err = l.fill(text.subject); err == nil {
		body, err = l.fill(text.body)
	}
	return subject, body, err
}

// fill puts the values where they belong, each in one line.
func (l Letter) fill(text string) (string, error) {
	values := map[string]string{"account": oneLine(l.Account)}
	for name, value := range l.Values {
		values[name] = oneLine(value)
	}
	var b strings.Builder
	t, err := template.New(string(l.Kind)).Option("missingkey=error").Parse(text)
	if err == nil {
		err = t.Execute(&b, values)
	}
	if err == nil && b.Len() == 0 {
		err = fault.New(fault.Internal, "no text")
	}
	if err != nil {
		return "", fault.New(fault.Internal, "notice: a letter %q: %w", l.Kind, err)
	}
	return b.String(), nil
}

// oneLine keeps what others have written within the line in which it is quoted.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
