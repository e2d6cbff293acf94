package renderer

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"branchline.dev/branchline/schemas"
)

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// readFolder reads all files below dir, by their path below it. Anything but
// regular files and directories is refused, and so is more than the limits of a
// pack.
func readFolder(fsys fs.FS, dir string) (map[string][]byte, *schemas.Problem) {
	files := map[string][]byte{}
	total := 0
	err := fs.WalkDir(fsys, dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return problemAt(file, "cannot be read: %v", err)
		}
		if entry.IsDir() {
			return nil
		}
		if entry.Type()&fs.ModeSymlink != 0 { // in the words of schemas.Load, which does not see hidden ones
			return problemAt(file, "is a symbolic link; put the file or folder itself in its place")
		}
		if !entry.Type().IsRegular() {
			return problemAt(file, "is not a regular file; put one in its place")
		}
		if info, err := entry.Info(); err == nil && info.Size() > maxPackFile {
			return problemAt(file, "is %d bytes long, more than the %d allowed in a pack", info.Size(), maxPackFile)
		}
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return problemAt(file, "cannot be read: %v", err)
		}
		if total += len(data); total > maxPackBytes || len(files) >= maxPackFiles {
			return problemAt(dir, "holds more than %d files or %d bytes", maxPackFiles, maxPackBytes)
		}
		files[strings.TrimPrefix(file, dir+"/")] = data
		return nil
	})
	var problem schemas.Problem
	if errors.As(err, &problem) {
		return nil, &problem
	}
	if err != nil {
		problem := problemAt(dir, "cannot be read: %v", err)
		return nil, &problem
	}
	return files, nil
}

func problemAt(file, format string, args ...any) schemas.Problem {
	return schemas.Problem{Position: schemas.Position{File: file}, Message: fmt.Sprintf(format, args...)}
}
