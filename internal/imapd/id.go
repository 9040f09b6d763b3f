package imapd

import (
	"context"

	"posthorn/internal/imapwire"
)

// id is ID (RFC 2971): who the client says it is goes to the log.
func (s *session) id(context.Context, *command) error {
	var pairs []imapwire.Pair
	if !s.dec.SP() || !s.dec.ID(&pairs) || !s.dec.End() {
		return s.syntax()
	}
	if len(pairs) > 0 {
		client := make([]any, 0, 2*len(pairs))
		for _, p := range pairs {
			client = append(client, "client."+p.Name, p.Value)
		}
		s.conn.Log().Info("client", client...)
	}
	server := []imapwire.Pair{{Name: "name", Value: "Posthorn"}}
	if s.srv.version != "" {
		server = append(server, imapwire.Pair{Name: "version", Value: s.srv.version})
	}
	s.line("* ID ", string(imapwire.AppendID(nil, server)))
	return nil
}
