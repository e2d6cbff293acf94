//go:build unix

package hub

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockDirectory keeps a second hub from working on the same data. The kernel
// releases the lock when the process ends, however it ends.
func lockDirectory(dir string) (*os.File, error) {
	file, err := tryLock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("%s is in use by another hub; stop that or choose another directory: %w", dir, err)
	}
	return file, nil
}

// lockFile waits for a lock that processes hold only for moments.
func lockFile(path string, limit time.Duration) (unlock func(), err error) {
	deadline := time.Now().Add(limit)
	for {
		file, err := tryLock(path)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("waiting for %s: %w", path, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func tryLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
