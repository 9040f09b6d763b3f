package server

import (
	"context"
	"crypto/tls"
	"fmt"

	"posthorn/internal/audit"
	"posthorn/internal/directory"
	"posthorn/internal/filter/bans"
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

// banned writes down that a network was banned, or is no longer, without anybody's order.
func (d *Data) banned(ban bans.Ban) {
	e := &obs.Event{
		Kind: obs.Administered, By: audit.Itself, Action: "ban/add", Remote: ban.Network.Addr(),
		Detail: fmt.Sprintf("%s until %s: %s", ban.Network, ban.Until.UTC().Format("2006-01-02 15:04 UTC"), ban.Reason),
	}
	if ban.Ended {
		e.Action, e.Detail = "ban/end", ban.Network.String()
	}
	d.Audit.Record(e)
}
