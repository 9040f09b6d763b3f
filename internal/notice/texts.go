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
	CertificateTrouble Kind = "certificate" // something is wrong with one: problem
	RenewalFailed      Kind = "renewal"     // an authority has not issued one: problem, next
)

// text is what a kind of letter says in one language: templates, in which {{.account}}
// and the letter's values stand.
type text struct{ subject, body string }

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
