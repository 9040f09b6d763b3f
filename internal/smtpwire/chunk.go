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
	c.Last, err = parseLast(marker, "After the number of bytes there may only be LAST")
	return c, true, err
}

// URLChunk is a part of a message that is elsewhere (RFC 4468 §3.5).
type URLChunk struct {
	URL  string
	Last bool // the message ends with it
}

// ParseURLChunk parses the arguments of BURL: `URL [LAST]`.
func ParseURLChunk(args string) (c URLChunk, err error) {
	url, marker, _ := strings.Cut(args, " ")
	if !strings.Contains(url, ":") { // an absolute-URI has a scheme
		return c, &SyntaxError{badArguments, "Say BURL, an absolute URL, and LAST with the last of them"}
	}
	c.URL = url
	c.Last, err = parseLast(marker, "After the URL there may only be LAST")
	return c, err
}

// parseLast reads the end marker, if there is one.
func parseLast(marker, otherwise string) (bool, error) {
	switch marker = strings.TrimSpace(marker); {
	case strings.EqualFold(marker, "LAST"):
		return true, nil
	case marker != "":
		return false, &SyntaxError{badArguments, otherwise}
	}
	return false, nil
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
