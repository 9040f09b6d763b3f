package pgkv

import (
	"context"
	"sync"
)

// locks are the shards' locks among the goroutines of this process. PostgreSQL's
// own would do, but everyone who waits for one of those occupies a connection.
type locks struct {
	mu   sync.Mutex
	byID map[int64]*localLock
}

type localLock struct {
	token chan struct{} // holds one while the lock is held; waiters queue
	users int           // who holds it or waits for it
}

// acquire takes the locks, which are in the order that keeps everyone from
// deadlock, or none if ctx ends first.
func (l *locks) acquire(ctx context.Context, ids []int64) (release func(), err error) {
	held := 0
	release = func() {
		for _, id := range ids[:held] {
			<-l.of(id).token
			l.leave(id)
		}
	}
	for _, id := range ids {
		select {
		case l.join(id).token <- struct{}{}:
			held++
		case <-ctx.Done():
			l.leave(id)
			release()
			return nil, canceled(ctx, "update")
		}
	}
	return release, nil
}

func (l *locks) of(id int64) *localLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[id]
}

func (l *locks) join(id int64) *localLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	lock := l.byID[id]
	if lock == nil {
		lock = &localLock{token: make(chan struct{}, 1)}
		if l.byID == nil {
			l.byID = make(map[int64]*localLock)
		}
		l.byID[id] = lock
	}
	lock.users++
	return lock
}

func (l *locks) leave(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lock := l.byID[id]
	if lock.users--; lock.users == 0 {
		delete(l.byID, id)
	}
}
