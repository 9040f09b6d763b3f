package imapwire

import "strconv"

// QuotaLimit is the limit of one resource (RFC 9208 §4.1.3).
type QuotaLimit struct {
	Resource string // in upper case
	Limit    uint64
}

// QuotaLimits decodes the list of SETQUOTA, which may be empty.
func (d *Decoder) QuotaLimits(limits *[]QuotaLimit) bool {
	*limits = nil
	return d.List(func() bool {
		var l QuotaLimit
		if !d.Atom(&l.Resource) || !d.SP() || !d.Number64(&l.Limit) {
			return false
		}
		l.Resource = upperASCII(l.Resource)
		*limits = append(*limits, l)
		return true
	})
}

// AppendQuotaLimits appends the list of SETQUOTA.
func AppendQuotaLimits(dst []byte, limits []QuotaLimit) []byte {
	dst = append(dst, '(')
	for i, l := range limits {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(append(dst, l.Resource...), ' ')
		dst = strconv.AppendUint(dst, l.Limit, 10)
	}
	return append(dst, ')')
}
