package smtpwire

import (
	"math"
	"strconv"
	"strings"
)

// Chunk is what BDAT announces (RFC 3030 §2): so many bytes of a message follow its
// line at once.
type Chunk struct {
	Size int64 // one that does not fit is math.MaxInt64
	Last bool  // the message ends with it
}

// AnnouncesChunk says that a line, which need not be a command, was meant as a BDAT.
func AnnouncesChunk(line []byte) bool {
	_, ok := cutPrefixFold(string(line[:min(len(line), len(BDAT))]), string(BDAT))
	return ok
}

// ParseChunk parses the arguments of BDAT: `size [LAST]`. Without a size nobody knows
// where the next command begins: sized is false, and the conversation cannot go on.
func ParseChunk(args string) (c Chunk, sized bool, err error) {
	size, marker, _ := strings.Cut(args, " ")
	if c.Size, sized = parseLength(size); !sized {
		return Chunk{}, false, &SyntaxError{badArguments, "Say BDAT, the number of bytes, and LAST with the last of them"}
	}
	switch marker = strings.TrimSpace(marker); {
	case strings.EqualFold(marker, "LAST"):
		c.Last = true
	case marker != "":
		err = &SyntaxError{badArguments, "After the number of bytes there may only be LAST"}
	}
	return c, true, err
}

// parseLength reads 1*DIGIT.
func parseLength(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}
