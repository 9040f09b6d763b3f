package abuse

import "time"

const (
	window     = time.Hour
	maxLedgers = 50_000 // accounts that are counted at a time; those beyond are not
)

// ledger is what an account has done within the hour.
type ledger struct {
	minutes []minute // in which it did something, in their order; 60 at most
	address string
	limits  Limits // that held when it last submitted something
}

// minute is what was done in one minute.
type minute struct {
	at                     int64 // Unix time in minutes
	tried, refused, abroad int   // recipients
}

// add counts, and forgets what is over.
func (l *ledger) add(now time.Time, m minute) {
	m.at = now.Unix() / 60
	l.tidy(now)
	if n := len(l.minutes); n > 0 && l.minutes[n-1].at >= m.at {
		last := &l.minutes[n-1]
		last.tried, last.refused, last.abroad = last.tried+m.tried, last.refused+m.refused, last.abroad+m.abroad
		return
	}
	l.minutes = append(l.minutes, m)
}

// tidy forgets what is over.
func (l *ledger) tidy(now time.Time) {
	over, first := 0, now.Add(-window).Unix()/60
	for over < len(l.minutes) && l.minutes[over].at <= first {
		over++
	}
	l.minutes = append(l.minutes[:0], l.minutes[over:]...)
}

// facts sums it up.
func (l *ledger) facts(now time.Time) (f Facts) {
	burst := now.Add(-BurstTime).Unix() / 60
	for _, m := range l.minutes {
		f.Hour, f.Refused, f.Abroad = f.Hour+m.tried, f.Refused+m.refused, f.Abroad+m.abroad
		if m.at > burst {
			f.Burst += m.tried
		}
	}
	return f
}

// ledger gives that of an account; nil if there are too many. The caller holds the lock.
func (w *Watch) ledger(account uint64, now time.Time) *ledger {
	if l := w.ledgers[account]; l != nil {
		return l
	}
	if len(w.ledgers) >= maxLedgers && now.After(w.tidied.Add(time.Minute)) {
		w.tidied = now
		for id, l := range w.ledgers {
			if l.tidy(now); len(l.minutes) == 0 {
				delete(w.ledgers, id)
			}
		}
	}
	if len(w.ledgers) >= maxLedgers {
		return nil
	}
	l := &ledger{}
	w.ledgers[account] = l
	return l
}
