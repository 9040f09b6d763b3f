package fsblob

import (
	"encoding/binary"
	"hash/crc32"

	"posthorn/internal/blob"
)

// A blob's file, numbers little-endian, sums CRC-32C:
//
//	magic           8 bytes
//	frame...        at least one; each holds 64 KiB of the blob, the last one the rest
//	  sum           u32  of the ID, the frame's number (u32), and what follows up to the frame's end
//	  stored        u32  bytes of data below, with the bits zstd and final
//	  raw           u32  bytes of the blob it stands for
//	  data
//	index           u32 a frame: the bytes it takes up, header included
//	footer
//	  size          u64  of the blob
//	  frames        u32
//	  sum           u32  of the ID, the index, size and frames
//	  magic         8 bytes
//
// Frames describe themselves, so that damage to index or footer costs nothing but a
// walk over them; the final bit says that none is missing. Sums begin with the ID and
// the number, so that data which belongs elsewhere is never taken for a blob's own.
const (
	frameSize  = 64 << 10
	headSize   = 12
	footerSize = 24
	magic      = "PHBLOB1\n"
	endMagic   = "phblob1\n"

	zstdBit   = 1 << 31
	finalBit  = 1 << 30
	maxStored = headSize + frameSize // bytes that a frame takes up, at most
)

// castagnoli is the polynomial that processors compute by themselves.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameHead is a frame's header but for its sum.
type frameHead struct {
	stored, raw int
	zstd, final bool
}

// putFrameHead fills in the header of a frame whose data is in place behind it.
func putFrameHead(frame []byte, id blob.ID, number int, h frameHead) {
	stored := uint32(h.stored)
	if h.zstd {
		stored |= zstdBit
	}
	if h.final {
		stored |= finalBit
	}
	binary.LittleEndian.PutUint32(frame[4:], stored)
	binary.LittleEndian.PutUint32(frame[8:], uint32(h.raw))
	binary.LittleEndian.PutUint32(frame, frameSum(frame, id, number))
}

func frameSum(frame []byte, id blob.ID, number int) uint32 {
	var seed [idLength + 4]byte
	copy(seed[:], id)
	binary.LittleEndian.PutUint32(seed[idLength:], uint32(number))
	return crc32.Update(crc32.Checksum(seed[:], castagnoli), castagnoli, frame[4:])
}

// parseFrameHead reads a header without its sum. It is false if no frame looks like that.
func parseFrameHead(head []byte) (h frameHead, ok bool) {
	stored := binary.LittleEndian.Uint32(head[4:])
	raw := binary.LittleEndian.Uint32(head[8:])
	h = frameHead{
		stored: int(stored &^ (zstdBit | finalBit)), raw: int(raw),
		zstd: stored&zstdBit != 0, final: stored&finalBit != 0,
	}
	ok = h.stored <= frameSize && raw <= frameSize && (h.zstd || h.stored == h.raw) && (h.final || raw == frameSize)
	return h, ok
}

// parseFrame proves a whole frame and gives its header and data.
func parseFrame(frame []byte, id blob.ID, number int) (h frameHead, data []byte, ok bool) {
	if len(frame) < headSize {
		return h, nil, false
	}
	h, ok = parseFrameHead(frame)
	ok = ok && headSize+h.stored == len(frame) && frameSum(frame, id, number) == binary.LittleEndian.Uint32(frame)
	return h, frame[headSize:], ok
}

// frameCount is the number of frames of a blob of this size; even an empty one has one.
func frameCount(size int64) int64 { return max(1, (size+frameSize-1)/frameSize) }

// appendEnd appends index and footer.
func appendEnd(dst []byte, id blob.ID, index []uint32, size int64) []byte {
	from := len(dst)
	for _, n := range index {
		dst = binary.LittleEndian.AppendUint32(dst, n)
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(size))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(index)))
	dst = binary.LittleEndian.AppendUint32(dst, endSum(id, dst[from:]))
	return append(dst, endMagic...)
}

// endSum is the sum of the index and the footer up to its sum.
func endSum(id blob.ID, end []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(id), castagnoli), castagnoli, end)
}

// parseFooter reads the blob's size from its file's last bytes. It is false if
// they are no footer, or not that of a file of this length. The sum is not looked at.
func parseFooter(footer []byte, fileSize int64) (size int64, ok bool) {
	n := binary.LittleEndian.Uint64(footer)
	if string(footer[16:]) != endMagic || n > 1<<56 {
		return 0, false
	}
	size = int64(n)
	frames := frameCount(size)
	least := int64(len(magic)) + frames*(headSize+4) + footerSize
	return size, int64(binary.LittleEndian.Uint32(footer[8:])) == frames && least <= fileSize
}

// parseEnd proves index and footer and gives the offsets of the frames, with the
// offset of the index as the last.
func parseEnd(end []byte, id blob.ID, fileSize int64) (offsets []int64, ok bool) {
	sumAt := len(end) - footerSize + 12
	if endSum(id, end[:sumAt]) != binary.LittleEndian.Uint32(end[sumAt:]) {
		return nil, false
	}
	index := end[:len(end)-footerSize]
	offsets = make([]int64, 0, len(index)/4+1)
	at := int64(len(magic))
	for ; len(index) > 0; index = index[4:] {
		n := binary.LittleEndian.Uint32(index)
		if n < headSize || n > maxStored {
			return nil, false
		}
		offsets = append(offsets, at)
		at += int64(n)
	}
	return append(offsets, at), at+int64(len(end)) == fileSize
}
