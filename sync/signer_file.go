package sync

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// LoadOrCreateSigner reads the key at path, or makes one there with mode 0600 if
// the file does not exist. Of several processes that make one at the same time
// one wins and all get its key. A file that others may read or change is refused.
func LoadOrCreateSigner(path string, random io.Reader) (*Signer, error) {
	signer, err := loadSigner(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return signer, err
	}
	if err := createSigner(path, random); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create signing key %s: %w", path, err)
	}
	return loadSigner(path)
}

func loadSigner(path string) (*Signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	// A group may read it: that is how Kubernetes mounts a Secret for a pod's user.
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return nil, fmt.Errorf("signing key %s has mode %04o, which lets others at it; run chmod 600 on it", path, mode)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	signer, err := ParseSigner(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return signer, nil
}

// createSigner writes a new key beside path and links it into place, which fails
// with fs.ErrExist if another process was first.
func createSigner(path string, random io.Reader) error {
	signer, err := GenerateSigner(random)
	if err != nil {
		return err
	}
	data, err := signer.MarshalPrivate()
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Link(temp.Name(), path)
}
