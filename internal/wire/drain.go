package wire

import "context"

// Shutdown ends the server: no connection is accepted any more, those that wait
// for a command are interrupted with ErrDraining, busy ones finish their command
// first. When ctx ends before they are gone, sessions are canceled and their
// connections closed, and Shutdown returns ctx's error. It returns when all
// connections' goroutines have ended.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.draining {
		s.draining = true
		close(s.ending)
	}
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.signal(sigDraining)
	}
	s.mu.Unlock()

	defer s.cancel()
	defer context.AfterFunc(ctx, s.closeAll)()
	s.wg.Wait()
	return ctx.Err()
}

// closeAll cuts every connection.
func (s *Server) closeAll() {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.sock.Close()
	}
}
