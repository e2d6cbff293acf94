package sync

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// RunHook is the pre-receive hook: it asks the Server whose push git is working
// on and prints the answer for the pusher. The program named in
// ServerOptions.HookCommand calls it with its own stdin, stderr and os.Getenv,
// and exits with the result: 0 lets git move the refs, anything else refuses the
// push. If the Server cannot be asked, the push is refused.
func RunHook(ctx context.Context, stdin io.Reader, stderr io.Writer, getenv func(string) string) int {
	answer, err := askServer(ctx, stdin, getenv)
	if err != nil {
		fmt.Fprintln(stderr, "push refused:", err)
		return 1
	}
	if answer.Message != "" {
		fmt.Fprintln(stderr, answer.Message)
	}
	if !answer.Accepted {
		return 1
	}
	return 0
}

func askServer(ctx context.Context, stdin io.Reader, getenv func(string) string) (*hookAnswer, error) {
	changes, err := readHookInput(stdin)
	if err != nil {
		return nil, err
	}
	address := getenv(hookURLVariable)
	if address == "" {
		return nil, errors.New("no hub asked for this; push to the hub's URL")
	}
	body, err := json.Marshal(hookRequest{getenv(hookSecretVariable), getenv("GIT_QUARANTINE_PATH"), changes})
	if err != nil {
		return nil, fmt.Errorf("ask the hub: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the hub: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy
	response, err := client.Do(request)
	if err != nil {
		return nil, errors.New("the hub does not answer; try again")
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the hub answers %s; try again", response.Status)
	}
	var answer hookAnswer
	if err := json.NewDecoder(io.LimitReader(response.Body, maxReport)).Decode(&answer); err != nil {
		return nil, errors.New("the hub's answer is cut off; try again")
	}
	return &answer, nil
}

// readHookInput reads "<old> <new> <ref>" lines (githooks(5), pre-receive).
func readHookInput(stdin io.Reader) ([]RefChange, error) {
	var changes []RefChange
	lines := bufio.NewScanner(io.LimitReader(stdin, maxCommandBytes))
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), " ", 3)
		if len(fields) != 3 {
			return nil, fmt.Errorf("unexpected input %q", clip(lines.Text()))
		}
		changes = append(changes, RefChange{Ref: fields[2], Old: fields[0], New: fields[1]})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if len(changes) == 0 {
		return nil, errors.New("nothing to push")
	}
	return changes, nil
}
