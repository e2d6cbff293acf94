package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"branchline.dev/branchline/schemas"
)

const (
	// maxStatus is the most bytes that an encoded status may have.
	maxStatus = 64 << 10
	// messageInterval is how often a status is written that differs in its
	// messages only: those of errors may differ from one attempt to the next.
	messageInterval = time.Minute
)

// due says whether a status must be written: it differs from the last one, or
// that one has become old.
func due(last written, next schemas.InfraStatusBody, now time.Time, heartbeat time.Duration) bool {
	age := now.Sub(last.when)
	switch {
	case last.commit == "":
		return true
	case !same(withoutMessages(last.body), withoutMessages(next)):
		return true
	case !same(last.body, next):
		return age >= messageInterval
	case next.Phase == schemas.InfraDeleted:
		return false // there is nothing whose being alive could be doubted
	}
	return age >= heartbeat
}

// same compares two statuses but for their place in the sequence.
func same(a, b schemas.InfraStatusBody) bool {
	return bytes.Equal(content(a), content(b))
}

// content is a status in a form that does not tell nil from empty.
func content(body schemas.InfraStatusBody) []byte {
	body.Sequence, body.Previous = 0, ""
	if body.Conditions == nil {
		body.Conditions = []schemas.Condition{}
	}
	data, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("an InfraStatusBody holds only what JSON can hold: %v", err))
	}
	return data
}

func withoutMessages(body schemas.InfraStatusBody) schemas.InfraStatusBody {
	conditions := make([]schemas.Condition, len(body.Conditions))
	for i, c := range body.Conditions {
		c.Message = ""
		conditions[i] = c
	}
	body.Conditions = conditions
	return body
}

// encode writes a status document.
func encode(cluster string, body schemas.InfraStatusBody) ([]byte, error) {
	data, err := schemas.Marshal(schemas.InfraStatus{
		TypeMeta: schemas.TypeMeta{APIVersion: schemas.APIVersion, Kind: schemas.KindInfraStatus},
		Metadata: schemas.Metadata{Name: cluster},
		Status:   body,
	})
	if err != nil {
		return nil, err
	}
	if len(data) > maxStatus {
		return nil, fmt.Errorf("it has %d bytes, at most %d are allowed; a provider reports too much", len(data), maxStatus)
	}
	return data, nil
}
