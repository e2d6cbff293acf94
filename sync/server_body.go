package sync

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// watchIdle ends the request when its client does nothing for a while. Each
// byte read or written renews the time. The result undoes it, because the
// connection may serve further requests.
func (c *call) watchIdle(timeout time.Duration) (undo func()) {
	// Test recorders know no deadlines; real connections do.
	control := http.NewResponseController(c.w)
	c.r.Body = &idleReader{c.r.Body, control, timeout}
	c.w = &idleWriter{c.w, control, timeout}
	return func() {
		_ = control.SetWriteDeadline(time.Now().Add(timeout))
		_ = control.Flush()
		_ = control.SetWriteDeadline(time.Time{})
		// net/http now reads what is left of the body, and then sets a deadline of its own.
		_ = control.SetReadDeadline(time.Now().Add(timeout))
	}
}

type idleReader struct {
	io.ReadCloser
	control *http.ResponseController
	timeout time.Duration
}

func (r *idleReader) Read(p []byte) (int, error) {
	_ = r.control.SetReadDeadline(time.Now().Add(r.timeout))
	n, err := r.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		// The server now waits for the client to hang up. Taking long is no fault of the client's then.
		_ = r.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

type idleWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

func (w *idleWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.timeout))
	return w.ResponseWriter.Write(p)
}

var errTooLarge = errors.New("request is too large")

// body gives the request's body, decompressed and cut off with errTooLarge after
// most bytes.
func (c *call) body(most int64) (io.Reader, error) {
	var in io.Reader = c.r.Body
	switch encoding := c.r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		zipped, err := gzip.NewReader(io.LimitReader(c.r.Body, most))
		if err != nil {
			return nil, fmt.Errorf("decompress request: %w", err)
		}
		in = zipped
	default:
		return nil, fmt.Errorf("content encoding %q is not supported", clip(encoding))
	}
	return &cappedReader{in, most}, nil
}

// cappedReader fails after a number of bytes, where io.LimitReader would end as
// if all had been read.
type cappedReader struct {
	in   io.Reader
	left int64
}

func (r *cappedReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p[:min(int64(len(p)), r.left+1)])
	if r.left -= int64(n); r.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// wholeBody reads a small body into memory, so that a slow client occupies no
// process.
func (c *call) wholeBody(most int64) ([]byte, error) {
	in, err := c.body(most)
	if err != nil {
		return nil, err
	}
	var data bytes.Buffer
	_, err = data.ReadFrom(in)
	return data.Bytes(), err
}

// badBody answers a request whose body could not be read.
func (c *call) badBody(err error) {
	code := http.StatusBadRequest
	if errors.Is(err, errTooLarge) {
		code = http.StatusRequestEntityTooLarge
	}
	c.log.Warn("git request refused", "path", c.r.URL.Path, "reason", err.Error())
	http.Error(c.w, err.Error(), code)
}
