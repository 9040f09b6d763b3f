package server

import (
	"posthorn/internal/addr"
	"posthorn/internal/notice"
)

// noticeSite is what the configuration of now says of letters.
func (d *Data) noticeSite() notice.Site {
	c := d.config.Load()
	operator, _ := addr.Parse(c.Operator) // it was looked at when the file was read; "" is nobody
	return notice.Site{Hostname: c.Hostname, Operator: operator}
}
