package dnszone

import (
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/mtasts"
)

// Section is what a domain needs for one purpose.
type Section struct {
	Title    string   `json:"title"`
	Optional bool     `json:"optional"` // publish it only if what the notes say holds
	Records  []Record `json:"records"`
	Notes    []string `json:"notes,omitempty"`
}

// Zone gives all that is to be published for a domain.
func Zone(f *Facts) []Section {
	sections := []Section{f.exchange(), f.addresses(), f.senders(), f.signatures(), f.dmarc(), f.tlsReports(), f.programs(), f.mtaSTS(), f.authorities()}
	if len(f.Keys) == 0 {
		sections = append(sections[:3], sections[4:]...)
	}
	return sections
}

func (f *Facts) exchange() Section {
	return Section{Title: "Mail for the domain comes to this server.", Records: []Record{f.mx()}}
}

func (f *Facts) mx() Record { return Record{f.Domain, "MX", "10 " + f.Hostname + "."} }

func (f *Facts) addresses() Section {
	s := Section{Title: "The addresses of the server. Its name must not be an alias (CNAME).", Records: []Record{}}
	for _, ip := range f.Addresses {
		s.Records = append(s.Records, addressRecord(f.Hostname, ip))
		s.Notes = append(s.Notes, "Ask whoever gives you the address for: "+pointer(ip, f.Hostname).String())
	}
	if len(f.Addresses) == 0 {
		s.Notes = []string{
			"Which ones the world sees is not known here. Publish " + f.Hostname + ". IN A and AAAA with them,",
			"and ask whoever gives you each address to let it point (PTR) to " + f.Hostname + ".",
		}
	}
	return s
}

func addressRecord(name string, ip netip.Addr) Record {
	if ip.Is4() {
		return Record{name, "A", ip.String()}
	}
	return Record{name, "AAAA", ip.String()}
}

// pointer is the record that leads from an address to a name.
func pointer(ip netip.Addr, name string) Record {
	var labels []string
	zone := "in-addr.arpa"
	if ip.Is4() {
		for _, b := range ip.As4() {
			labels = append([]string{strconv.Itoa(int(b))}, labels...)
		}
	} else {
		zone = "ip6.arpa"
		for _, b := range ip.As16() {
			labels = append([]string{strconv.FormatUint(uint64(b&15), 16), strconv.FormatUint(uint64(b>>4), 16)}, labels...)
		}
	}
	return Record{strings.Join(labels, ".") + "." + zone, "PTR", name + "."}
}

func (f *Facts) senders() Section {
	s := Section{
		Title:   "Who may send mail of the domain (SPF): the hosts that its MX records name, and nobody else.",
		Records: []Record{f.spf()},
		Notes:   []string{"If others send for you, a newsletter service or a smart host, put their include: before -all."},
	}
	if f.Hostname != f.Domain {
		s.Records = append(s.Records, f.helloSPF())
	}
	return s
}

func (f *Facts) spf() Record { return TXT(f.Domain, "v=spf1 mx -all") }

// helloSPF is for notifications, which have no sender but the server.
func (f *Facts) helloSPF() Record { return TXT(f.Hostname, "v=spf1 a -all") }

func (f *Facts) signatures() Section {
	s := Section{Title: "The keys that sign the mail of the domain (DKIM)."}
	for _, k := range f.Keys {
		s.Records = append(s.Records, TXT(k.Name, k.Record))
		switch k.State {
		case Next:
			s.Notes = append(s.Notes, k.Name+" is new: it signs once it is published.")
		case Past:
			s.Notes = append(s.Notes, fmt.Sprintf("%s signs no more: it can be removed after %s.", k.Name, k.Until.Format("2006-01-02")))
		case Signs:
		}
	}
	return s
}

func (f *Facts) dmarc() Section {
	return Section{
		Title:   "What others should do with mail that is not really from the domain (DMARC): tell you, for a start.",
		Records: []Record{f.dmarcRecord()},
		Notes: []string{
			"When the reports show for some weeks that all of your mail passes, ask for more: p=quarantine, and in the end p=reject.",
		},
	}
}

func (f *Facts) dmarcRecord() Record {
	return TXT("_dmarc."+f.Domain, "v=DMARC1; p=none; rua=mailto:"+f.contact())
}

func (f *Facts) tlsReports() Section {
	return Section{
		Title:   "Where others report trouble with TLS on their way here (TLSRPT).",
		Records: []Record{f.tlsReport()},
	}
}

func (f *Facts) tlsReport() Record {
	return TXT("_smtp._tls."+f.Domain, "v=TLSRPTv1; rua=mailto:"+f.contact())
}

func (f *Facts) programs() Section {
	s := Section{Title: "How mail programs find the server by themselves; a dot stands for what it does not offer."}
	for _, name := range clientServices() {
		s.Records = append(s.Records, f.srv(name))
	}
	return s
}

func (f *Facts) srv(name string) Record {
	service, offered := f.service(name)
	if !offered {
		return Record{"_" + name + "._tcp." + f.Domain, "SRV", "0 0 0 ."} // RFC 2782: not offered
	}
	return Record{"_" + name + "._tcp." + f.Domain, "SRV", "0 1 " + strconv.Itoa(int(service.Port)) + " " + f.Hostname + "."}
}

// policyAge is how long others remember that they must use TLS.
const policyAge = 7 * 24 * time.Hour

func (f *Facts) mtaSTS() Section {
	policy := mtasts.Policy{Mode: mtasts.Testing, MX: []string{f.Hostname}, MaxAge: policyAge}.String()
	id := fnv.New32a() // another policy has another id (RFC 8461 §3.1)
	_, _ = io.WriteString(id, policy)
	s := Section{
		Title:    "TLS for all mail on its way here (MTA-STS), once the certificate is from an authority and a web server has the policy.",
		Optional: true,
		Records: []Record{
			TXT("_mta-sts."+f.Domain, fmt.Sprintf("v=STSv1; id=%08x", id.Sum32())),
			{"mta-sts." + f.Domain, "CNAME", f.Hostname + "."}, // or wherever that web server is
		},
		Notes: []string{"The policy, at https://mta-sts." + f.Domain + "/.well-known/mta-sts.txt:"},
	}
	for line := range strings.Lines(policy) {
		s.Notes = append(s.Notes, "  "+strings.TrimSpace(line))
	}
	s.Notes = append(s.Notes, "When no reports of trouble come, make that mode: enforce, and change the id. The records:")
	return s
}

func (f *Facts) authorities() Section {
	return Section{
		Title:    "Who may issue certificates (CAA). If you have such records, they must name the authority of this server's, like this:",
		Optional: true,
		Records:  []Record{{f.Hostname, "CAA", `0 issue "letsencrypt.org"`}},
	}
}

// Write writes the records as a block of a zone file, with what is to be said about
// them as comments.
func Write(w io.Writer, sections []Section) {
	for i, s := range sections {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, ";", s.Title)
		if s.Optional {
			comments(w, s.Notes)
			for _, r := range s.Records {
				fmt.Fprintln(w, ";  ", r)
			}
			continue
		}
		for _, r := range s.Records {
			fmt.Fprintln(w, r)
		}
		comments(w, s.Notes)
	}
}

func comments(w io.Writer, lines []string) {
	for _, line := range lines {
		fmt.Fprintln(w, ";", line)
	}
}
