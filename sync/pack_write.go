package sync

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// The pack format is specified in gitformat-pack(5).
const packSignature = "PACK"

// writePack writes objects as one pack without deltas, in the order of their
// names, so that equal sets give equal bytes.
func writePack(w io.Writer, objects objectSet) error {
	sum := sha1.New()
	out := io.MultiWriter(w, sum)
	header := binary.BigEndian.AppendUint32([]byte(packSignature), 2)
	header = binary.BigEndian.AppendUint32(header, uint32(len(objects)))
	if _, err := out.Write(header); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	ids := make([]objectID, 0, len(objects))
	for id := range objects {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b objectID) int { return bytes.Compare(a[:], b[:]) })
	// Speed before size: packs are small and are compressed again when they are merged.
	deflate, err := zlib.NewWriterLevel(out, zlib.BestSpeed)
	if err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	for _, id := range ids {
		if err := writeEntry(out, deflate, objects[id]); err != nil {
			return fmt.Errorf("write %s to pack: %w", id, err)
		}
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	return nil
}

func writeEntry(out io.Writer, deflate *zlib.Writer, o object) error {
	size := uint64(len(o.data))
	first := byte(o.kind)<<4 | byte(size&0x0f)
	header := []byte{first}
	for size >>= 4; size > 0; size >>= 7 {
		header[len(header)-1] |= 0x80
		header = append(header, byte(size&0x7f))
	}
	if _, err := out.Write(header); err != nil {
		return err
	}
	deflate.Reset(out)
	if _, err := deflate.Write(o.data); err != nil {
		return err
	}
	return deflate.Close()
}
