package tlsrpt

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Report is what a domain is told of a day (RFC 8460 §4).
type Report struct {
	Domain    string // that is told
	Day       string // "2026-11-22"
	Submitter string // our hostname
	Contact   string // our address, and the sender's
	Made      time.Time
	*Tally
}

// id names a report, and no other.
func (r *Report) id() string { return r.Day + "." + r.Domain + "@" + r.Submitter }

// document is a report in JSON (RFC 8460 §4.4).
type document struct {
	Organization string      `json:"organization-name"`
	Dates        dateRange   `json:"date-range"`
	Contact      string      `json:"contact-info"`
	ID           string      `json:"report-id"`
	Policies     []*ByPolicy `json:"policies"`
}

type dateRange struct {
	Start time.Time `json:"start-datetime"`
	End   time.Time `json:"end-datetime"`
}

// span is the day from its first second to its last.
func (r *Report) span() (start, end time.Time) {
	start, _ = time.Parse(time.DateOnly, r.Day)
	return start, start.Add(24*time.Hour - time.Second)
}

// JSON is the report, as it is and not packed.
func (r *Report) JSON() []byte {
	start, end := r.span()
	b, err := json.MarshalIndent(document{r.Submitter, dateRange{start, end}, r.Contact, r.id(), r.Policies}, "", "  ")
	if err != nil {
		panic(err) // it has nothing that JSON does not know
	}
	return append(b, '\n')
}

// Message is the report as mail (RFC 8460 §5.3) to an address.
func (r *Report) Message(to string) []byte {
	start, end := r.span()
	boundary := "tlsrpt-" + strings.ReplaceAll(r.Day, "-", "") + "-" + fmt.Sprintf("%x", r.Made.UnixNano())
	filename := fmt.Sprintf("%s!%s!%d!%d!%s.json.gz", r.Submitter, r.Domain, start.Unix(), end.Unix(), r.Day)
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("Date: %s", r.Made.Format(time.RFC1123Z))
	line("From: <%s>", r.Contact)
	line("To: <%s>", to)
	line("Subject: Report Domain: %s", r.Domain) // folded, since both names may be long
	line(" Submitter: %s", r.Submitter)
	line(" Report-ID: <%s>", r.id())
	line("Message-ID: <tlsrpt.%x.%s@%s>", r.Made.UnixNano(), r.Day, r.Submitter)
	line("TLS-Report-Domain: %s", r.Domain)
	line("TLS-Report-Submitter: %s", r.Submitter)
	line("TLS-Required: No") // RFC 8460 §3: it may be about TLS that does not work
	line("Auto-Submitted: auto-generated")
	line("MIME-Version: 1.0")
	line("Content-Type: multipart/report; report-type=\"tlsrpt\";")
	line(" boundary=\"%s\"", boundary)
	line("")
	line("--%s", boundary)
	line("Content-Type: text/plain; charset=us-ascii")
	line("")
	r.explain(line)
	line("")
	line("--%s", boundary)
	line("Content-Type: application/tlsrpt+gzip")
	line("Content-Transfer-Encoding: base64")
	line("Content-Disposition: attachment;")
	line(" filename=\"%s\"", filename)
	line("")
	b.WriteString(lines(pack(r.JSON())))
	line("--%s--", boundary)
	return []byte(b.String())
}

// explain says in words what the report is.
func (r *Report) explain(line func(string, ...any)) {
	line("How TLS went when %s delivered mail for", r.Submitter)
	line("%s on %s (RFC 8460).", r.Domain, r.Day)
	for _, p := range r.Policies {
		line("")
		line("Policy %s of %s: %d sessions as it wants them, %d not.", p.Policy.Type, p.Policy.Domain, p.Summary.Succeeded, p.Summary.Failed)
		for _, f := range p.Failures {
			host := f.Host
			if host == "" {
				host = "any host"
			}
			line("  %d times %s at %s", f.Sessions, f.Failure, host)
		}
	}
}

func pack(b []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(b) // a buffer takes everything
	_ = w.Close()
	return packed.Bytes()
}

// lines spells bytes in base64.
func lines(b []byte) string {
	text := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(text) > 0 {
		n := min(76, len(text))
		out.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	return out.String()
}
