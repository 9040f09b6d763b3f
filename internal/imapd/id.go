package imapd

import (
	"context"
	"strings"

	"posthorn/internal/imapwire"
)

// id is ID (RFC 2971): who the client says it is goes to the log.
func (s *session) id(context.Context, *command) error {
	var pairs []imapwire.Pair
	if !s.dec.SP() || !s.dec.ID(&pairs) || !s.dec.End() {
		return s.syntax()
	}
	s.logClient(pairs)
	server := []imapwire.Pair{{Name: "name", Value: "Posthorn"}}
	if s.srv.version != "" {
		server = append(server, imapwire.Pair{Name: "version", Value: s.srv.version})
	}
	s.line("* ID ", string(imapwire.AppendID(nil, server)))
	return nil
}

// logClient notes name and version of the client, which help to understand it. Once a
// session: some clients say them again and again.
func (s *session) logClient(pairs []imapwire.Pair) {
	var client []any
	said := map[string]string{}
	for _, p := range pairs {
		switch name := strings.ToLower(p.Name); name {
		case "name", "version", "vendor", "os":
			said[name] = short(p.Value)
			client = append(client, name, short(p.Value))
		}
	}
	if client == nil || s.client != "" {
		return
	}
	s.client = said["name"] + "/" + said["version"]
	s.applyQuirks()
	s.conn.CallsItself(s.client)
	s.conn.Log().Info("client", client...)
}

// short is the beginning of what a client said, for the log.
func short(text string) string { return text[:min(len(text), 100)] }
