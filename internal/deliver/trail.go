package deliver

import (
	"time"

	"posthorn/internal/obs"
	"posthorn/internal/queue"
)

// Events are what log and history are to hear of a plan once it has been carried out
// for the message of: who passes it on, and what its sender is told.
func (p Plan) Events(of *queue.Message, at time.Time) []*obs.Event {
	var all []*obs.Event
	for i, via := range p.via {
		part := p.Queue[i]
		if via.IsZero() {
			continue // that is the message itself
		}
		e := &obs.Event{Kind: obs.Forwarded, User: via.String(), Related: string(part.ID)}
		for _, to := range part.Recipients {
			e.To = append(e.To, obs.EventRecipient{Address: to.Address.String(), Queued: true})
		}
		all = append(all, e)
	}
	if p.notice != nil {
		all = append(all, p.notified()...)
	}
	for _, e := range all {
		e.Time, e.Message, e.From = at, string(of.ID), of.From.String()
		if e.Related == e.Message {
			e.Related = "" // it keeps its name
		}
	}
	return all
}

// notified tells of the notice: one event for each thing that it says.
func (p Plan) notified() []*obs.Event {
	var all []*obs.Event
	for _, to := range p.notice.Recipients {
		action := to.Action.String()
		if n := len(all); n == 0 || all[n-1].Action != action {
			all = append(all, &obs.Event{Kind: obs.Notified, Action: action, Related: p.notice.ID})
		}
		e := all[len(all)-1]
		e.To = append(e.To, obs.EventRecipient{Address: to.Address.String()})
	}
	return all
}
