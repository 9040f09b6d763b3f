package imapd

import (
	"sync"
	"time"

	"posthorn/internal/wire"
)

// RFC 9585 §4: nobody wants to hear of a command that is done soon, nor often.
const (
	silenceAtFirst = 15 * time.Second
	silenceAfter   = 10 * time.Second
)

// working is called before what may take long and writes nothing by itself, and gives
// what is to be called after it. Meanwhile the client hears that its command is under
// way, so that it neither gives up nor takes the connection for dead (RFC 9585).
func (s *session) working(c *command) (done func()) {
	w := &waiting{conn: s.conn, tag: c.tag}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(silenceAtFirst, w.tell)
	return w.end
}

// waiting speaks for a session that is at work.
type waiting struct {
	mu    sync.Mutex // held while the connection is written to
	conn  *wire.Conn
	tag   string
	timer *time.Timer
	ended bool
}

func (w *waiting) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.conn.WriteString("* OK [INPROGRESS (\"" + w.tag + "\" NIL NIL)] Still working\r\n")
	if w.conn.Flush() == nil {
		w.timer.Reset(silenceAfter)
	}
}

// end gives the connection back: nothing is written to it any more.
func (w *waiting) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.timer.Stop()
}
