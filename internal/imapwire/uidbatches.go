package imapwire

// UIDBatches is what a client asks of UIDBATCHES (RFC 10022 §3.1).
type UIDBatches struct {
	Size        uint32 // messages in each
	First, Last uint32 // the batches that are wanted, counted from 1; 0: all
}

// UIDBatches decodes what follows UIDBATCHES and a space.
func (d *Decoder) UIDBatches(b *UIDBatches) bool {
	*b = UIDBatches{}
	if !d.NZNumber(&b.Size) {
		return false
	}
	if d.AtEnd() {
		return true
	}
	return d.SP() && d.NZNumber(&b.First) && d.expect(':', "a colon") && d.NZNumber(&b.Last)
}
