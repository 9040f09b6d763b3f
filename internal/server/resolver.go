package server

import (
	"log/slog"

	"posthorn/internal/config"
	"posthorn/internal/dns"
)

// resolverOptions say which name servers a configuration wants to be asked.
func resolverOptions(c config.DNS, log *slog.Logger) dns.Options {
	o := dns.Options{Servers: c.Servers}
	if len(c.Servers) == 0 {
		var err error
		if o, err = dns.System(dns.SystemFile); err != nil {
			log.Warn("a name server on this machine is asked", "error", err)
		}
	}
	// What resolv.conf says of trust counts if posthorn.toml says nothing.
	o.TrustAD = c.Trusted(o.Servers) || o.TrustAD && c.TrustAD == nil
	return o
}
