package server

import (
	"context"
	"crypto/tls"
	"fmt"

	"posthorn/internal/audit"
	"posthorn/internal/directory"
	"posthorn/internal/login"
	"posthorn/internal/obs"
)

// logins writes the attempts at the door into the audit trail.
type logins struct{ audit *audit.Log }

func (l logins) Record(_ context.Context, a *login.Attempt) {
	e := &obs.Event{
		Kind: obs.LoggedIn, User: a.Identity.Name, Action: a.Mechanism,
		Protocol: a.Peer.Protocol, Remote: a.Peer.Remote, Hello: a.Peer.Client, Conn: a.Peer.Conn,
	}
	if a.Err != nil {
		e.Kind, e.User, e.Error = obs.AuthFailed, a.User, a.Err.Error()
	}
	if a.Peer.TLS != nil {
		e.TLS = tls.VersionName(a.Peer.TLS.Version)
	}
	l.audit.Record(e)
}

// deletedByAge writes down what was deleted because its days are over.
func (d *Data) deletedByAge(a *directory.Account, folder string, messages, days int) {
	d.Audit.Record(&obs.Event{
		Kind: obs.Expunged, User: a.Address.String(), Folder: folder, Count: messages, Detail: fmt.Sprintf("after %d days", days),
	})
}
