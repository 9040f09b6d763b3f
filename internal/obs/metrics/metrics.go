// Package metrics owns what a monitor is told: the names of the figures, and the form in
// which Prometheus reads them.
//
// It costs what it measures next to nothing. What others count anyway is asked for when
// the monitor asks (Sources); events are counted on their way to the history (Counts),
// commits when they are durable.
package metrics

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"posthorn/internal/obs"
)

// Connections are those of one protocol, since the start but for Open and Asleep.
type Connections struct {
	Open, Asleep, Accepted, Refused, HandshakesFailed, Panics, LoggedIn int64
}

// Certificate is one that clients are shown.
type Certificate struct {
	Name, Source string
	Until        time.Time
}

// Queue is how many messages wait for other servers. One that waits for two of them
// counts twice.
type Queue struct{ Waiting, Due, Active int }

// Sources are asked when the monitor asks.
type Sources struct {
	Version      string
	Connections  func() map[string]Connections // by protocol
	Queue        func() Queue
	Certificates func() []Certificate
}

// Metrics are the figures of a server.
type Metrics struct {
	Counts   *Counts
	commits  prometheus.Observer
	registry *prometheus.Registry
}

// New makes the figures of a server that have to be counted; Sources may come later.
func New() *Metrics {
	commits := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "posthorn_commit_seconds", Help: "How long the store took to make a change durable.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 12), // 0.1 ms to 2.4 s
	})
	m := &Metrics{Counts: &Counts{}, commits: commits, registry: prometheus.NewRegistry()}
	m.registry.MustRegister(commits, m.Counts, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Commit counts a commit that took so long.
func (m *Metrics) Commit(took time.Duration) { m.commits.Observe(took.Seconds()) }

// Handler answers the monitor.
func (m *Metrics) Handler(s Sources) http.Handler {
	all := prometheus.Gatherers{m.registry}
	own := prometheus.NewRegistry()
	own.MustRegister(s)
	return promhttp.HandlerFor(append(all, own), promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: 10 * time.Second})
}

// Counts counts events by their kind, and hands them on.
type Counts struct {
	Next  obs.Recorder // nil: nobody
	kinds [256]atomic.Int64
}

// Record counts an event.
func (c *Counts) Record(e *obs.Event) {
	c.kinds[e.Kind].Add(1)
	if c.Next != nil {
		c.Next.Record(e)
	}
}

// The figures that are asked for.
var (
	events = describe("posthorn_events_total", "What happened to messages and logins: the lines of the log.", "kind")

	open      = describe("posthorn_connections", "Connections now.", "protocol")
	asleep    = describe("posthorn_connections_asleep", "Connections now that wait without buffers.", "protocol")
	accepted  = describe("posthorn_connections_accepted_total", "Connections.", "protocol")
	refused   = describe("posthorn_connections_refused_total", "Connections turned away because of a limit.", "protocol")
	handshake = describe("posthorn_tls_handshakes_failed_total", "TLS handshakes that came to nothing.", "protocol")
	panics    = describe("posthorn_panics_total", "Sessions that ended because of a mistake in the program.", "protocol")
	logins    = describe("posthorn_logins_total", "Users let in.", "protocol")

	queued = describe("posthorn_queue_messages", "Messages for other servers: waiting for their time, due, or on their way.", "state")
	expiry = describe("posthorn_certificate_expiry_timestamp_seconds", "When a certificate ends.", "name", "source")
	build  = describe("posthorn_build_info", "The version; always 1.", "version")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe is for prometheus.
func (c *Counts) Describe(to chan<- *prometheus.Desc) { to <- events }

// Collect is for prometheus. Every kind is there from the start, so that a first one shows.
func (c *Counts) Collect(to chan<- prometheus.Metric) {
	for kind := range obs.EventKinds() {
		to <- prometheus.MustNewConstMetric(events, prometheus.CounterValue, float64(c.kinds[kind].Load()), kind.String())
	}
}

// Describe is for prometheus.
func (s Sources) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{open, asleep, accepted, refused, handshake, panics, logins, queued, expiry, build} {
		to <- d
	}
}

// Collect is for prometheus.
func (s Sources) Collect(to chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
	}
	for protocol, c := range s.Connections() {
		gauge(open, float64(c.Open), protocol)
		gauge(asleep, float64(c.Asleep), protocol)
		count(accepted, c.Accepted, protocol)
		count(refused, c.Refused, protocol)
		count(handshake, c.HandshakesFailed, protocol)
		count(panics, c.Panics, protocol)
		count(logins, c.LoggedIn, protocol)
	}
	q := s.Queue()
	gauge(queued, float64(q.Waiting), "waiting")
	gauge(queued, float64(q.Due), "due")
	gauge(queued, float64(q.Active), "active")
	told := map[[2]string]bool{}
	for _, c := range s.Certificates() {
		if key := [2]string{c.Name, c.Source}; !told[key] { // of two for one name, the one that is shown
			told[key] = true
			gauge(expiry, float64(c.Until.Unix()), c.Name, c.Source)
		}
	}
	gauge(build, 1, s.Version)
}
