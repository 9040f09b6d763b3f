package server

import (
	"context"
	"log/slog"
	"strconv"

	"posthorn/internal/addr"
	"posthorn/internal/audit"
	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/filter/abuse"
	"posthorn/internal/geoip"
	"posthorn/internal/notice"
	"posthorn/internal/obs"
	"posthorn/internal/queue"
)

// suspicion is what users may do before they are held, if anybody is.
func suspicion(set *config.Abuse, s config.Suspicion) abuse.Limits {
	if !set.Enabled {
		return abuse.Limits{}
	}
	return abuse.Limits{Hour: s.Recipients, Burst: s.Burst, Refused: s.Refused, Percent: s.Percent, Abroad: s.Abroad}
}

// allowed is the Suspicion of an allowance: whoever may have more recipients than everybody
// is not held for having them.
func allowed(a *config.Allowance, everybody *config.Limits) config.Suspicion {
	s := a.Suspicion
	switch most := a.RecipientsPerHour; {
	case everybody.UserRecipientsPerHour == 0 || most > 0 && most <= everybody.UserRecipientsPerHour:
	case most == 0:
		s.Recipients, s.Burst = 0, 0
	default:
		s.Recipients, s.Burst = raised(s.Recipients, most), raised(s.Burst, most)
	}
	return s
}

// raised is a limit that is at least so high; 0 is none.
func raised(limit, least int) int {
	if limit == 0 {
		return 0
	}
	return max(limit, least)
}

// watch is what holds the mail of stolen accounts; nil without a queue to hold it in.
func (s *Server) watch() *abuse.Watch {
	if s.relay == nil {
		return nil
	}
	return s.data.Abuse
}

// openPlaces opens the file that says where addresses are; nil: there is none. One that is
// open stays.
func openPlaces(c *config.Config, open *geoip.File, log *slog.Logger) (*geoip.File, error) {
	switch path := c.Abuse.GeoIP; path {
	case "":
		return nil, nil
	case open.Path():
		return open, nil
	default:
		file, err := geoip.Open(path, log)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "abuse.geoip: %w", err)
		}
		return file, nil
	}
}

func (d *Data) refreshPlaces() { d.places.Load().Refresh() }

// countRefused counts the recipients that other servers have refused for good.
func (d *Data) countRefused(ctx context.Context, m *queue.Message, results []queue.Result) {
	if m.Account == 0 {
		return
	}
	refused := 0
	for i := range results {
		if results[i].Outcome == queue.Refused && results[i].Remote != "" {
			refused++
		}
	}
	if refused > 0 {
		d.Abuse.Count(ctx, abuse.Act{Account: m.Account, Refused: refused})
	}
}

// watchAbuse deals with accounts whose mail is held, until ctx ends.
func (d *Data) watchAbuse(ctx context.Context) { d.Abuse.Run(ctx, d.held) }

// held holds what an account has submitted before, and tells its owner and the operator.
func (d *Data) held(ctx context.Context, h abuse.Hold) error {
	_, err := d.Queue.Operate(ctx, queue.Filter{Account: h.Account}, queue.Order{Operation: queue.Hold, Reason: string(h.Rule)})
	if err != nil {
		return err
	}
	// Whoever has released the account meanwhile may have gone through the queue before us.
	if err := d.Abuse.Load(ctx); err != nil {
		return err
	}
	if _, still := d.Abuse.Held(h.Account); !still {
		_, err := d.Queue.Operate(ctx, queue.Filter{Account: h.Account, Held: true}, queue.Order{Operation: queue.Release})
		return err
	}
	if err := d.tellHeld(ctx, h); err != nil {
		return err
	}
	d.trail.Log.WarnContext(ctx, "the mail of an account is held, since it may be stolen", "account", h.Address, "rule", string(h.Rule), "why", h.Why())
	d.Audit.Record(&obs.Event{Kind: obs.Administered, By: audit.Itself, Action: "account/hold", User: h.Address, Detail: h.Why(), Rule: string(h.Rule)})
	return nil
}

// tellHeld writes to the owner of an account that is held, and to the operator.
func (d *Data) tellHeld(ctx context.Context, h abuse.Hold) error {
	owner, err := addr.Parse(h.Address)
	if err != nil {
		return fault.New(fault.Internal, "server: account %d: %w", h.Account, err)
	}
	recipients, minutes, refused, abroad := h.Figures()
	values := map[string]string{"recipients": strconv.Itoa(recipients), "minutes": strconv.Itoa(minutes), "refused": "", "abroad": ""}
	if refused > 0 {
		values["refused"] = strconv.Itoa(refused)
	}
	if abroad {
		values["abroad"] = "yes"
	}
	for _, l := range []notice.Letter{{Kind: notice.AccountHeld, To: owner}, {Kind: notice.AccountSuspected}} {
		l.Account, l.Values = h.Address, values
		if err := d.Notices.Post(ctx, l); err != nil {
			return err
		}
	}
	return nil
}
