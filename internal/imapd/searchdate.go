package imapd

import (
	"time"

	"posthorn/internal/imapwire"
	"posthorn/internal/message"
	"posthorn/internal/store"
)

// dateTest compares the internal date, "disregarding time and timezone": the date
// that is written in INTERNALDATE (RFC 3501 §6.4.4). The snapshot may not have the
// zone of old messages, which matters only near the day asked for.
func dateTest(k *imapwire.SearchKey) test {
	const widestZone = 100 * 3600 // the grammar has two digits for hours
	from := k.Date.Unix()
	to := from + 24*3600
	return func(m *candidate) verdict {
		switch {
		case m.Zone != store.UnknownZone:
			return compareSeconds(k.Op, m.InternalDate+60*int64(m.Zone), from)
		case m.level >= fromRecord:
			return compareDays(k.Op, m.record.InternalDate, k.Date)
		case m.InternalDate < from-widestZone:
			return verdictOf(k.Op == imapwire.SearchBefore)
		case m.InternalDate >= to+widestZone:
			return verdictOf(k.Op == imapwire.SearchSince)
		}
		return unknown
	}
}

// sentTest compares the Date field. A message without a readable one matches nothing.
func sentTest(k *imapwire.SearchKey) test {
	ops := map[imapwire.SearchOp]imapwire.SearchOp{
		imapwire.SearchSentBefore: imapwire.SearchBefore,
		imapwire.SearchSentOn:     imapwire.SearchOn,
		imapwire.SearchSentSince:  imapwire.SearchSince,
	}
	op := ops[k.Op]
	return recordTest(func(f *message.Field) bool {
		if !equalFold(f.Name, "date") {
			return false
		}
		sent, err := message.ParseDate(string(f.Value))
		return err == nil && compareDays(op, sent, k.Date) == yes
	})
}

// compareSeconds is compareDays for the seconds that clocks showed.
func compareSeconds(op imapwire.SearchOp, shown, day int64) verdict {
	switch op {
	case imapwire.SearchBefore:
		return verdictOf(shown < day)
	case imapwire.SearchOn:
		return verdictOf(shown >= day && shown < day+24*3600)
	}
	return verdictOf(shown >= day)
}

func compareDays(op imapwire.SearchOp, t, day time.Time) verdict {
	y, mo, d := t.Date()
	diff := time.Date(y, mo, d, 0, 0, 0, 0, time.UTC).Compare(day)
	switch op {
	case imapwire.SearchBefore:
		return verdictOf(diff < 0)
	case imapwire.SearchOn:
		return verdictOf(diff == 0)
	}
	return verdictOf(diff >= 0)
}

// savedTest compares the day, in UTC, on which a message came into the mailbox (RFC
// 8514 §4.3).
func savedTest(k *imapwire.SearchKey) test {
	ops := map[imapwire.SearchOp]imapwire.SearchOp{
		imapwire.SearchSavedBefore: imapwire.SearchBefore,
		imapwire.SearchSavedOn:     imapwire.SearchOn,
		imapwire.SearchSavedSince:  imapwire.SearchSince,
	}
	op := ops[k.Op]
	return func(m *candidate) verdict {
		if m.level < fromRecord {
			return unknown
		}
		return compareDays(op, m.record.SaveDate.UTC(), k.Date)
	}
}

// within compiles OLDER and YOUNGER: both include the very second (RFC 5032 §2).
func (c *compiler) within(k *imapwire.SearchKey) test {
	const longAgo = 1 << 40 // seconds
	at := c.now.Unix() - int64(min(k.Num, longAgo))
	if k.Op == imapwire.SearchOlder {
		return func(m *candidate) verdict { return verdictOf(m.InternalDate <= at) }
	}
	return func(m *candidate) verdict { return verdictOf(m.InternalDate >= at) }
}
