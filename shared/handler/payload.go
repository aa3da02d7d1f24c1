package handler

import (
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
)

// The payloads of the machine (design 2, "Payloads"). State carries ids, never lists of parts and never secrets, but
// for the park's task token.

// StepIn is the payload of initupload and, with Step, of finalize; of the machine itself, too.
type StepIn struct {
	V      int    `json:"v"`
	Upload string `json:"upload"`
	Gen    int    `json:"gen"`
}

// uploadID is what upload.ID makes: u and 26 characters of lower-case base32.
var uploadID = regexp.MustCompile(`^u[a-z2-7]{26}$`)

// Validate refuses what the machine cannot have sent.
func (s StepIn) Validate() error {
	switch {
	case s.V != 1:
		return refuse("v", "1", "this program reads version 1 only")
	case !uploadID.MatchString(s.Upload):
		return refuse("upload", "upload id", "not an upload id")
	case s.Gen < 1:
		return refuse("gen", "at least 1", "generations start at 1")
	}
	return nil
}

// FinalizeIn is the payload of finalize.
type FinalizeIn struct {
	StepIn
	Step string `json:"step"`
}

// FinalizeSteps are the words of FinalizeIn.Step.
func FinalizeSteps() []string { return []string{"complete", "publish", "inspect", "check", "settle"} }

// Validate refuses unknown steps.
func (f FinalizeIn) Validate() error {
	if !slices.Contains(FinalizeSteps(), f.Step) {
		return refuse("step", "one of "+strings.Join(FinalizeSteps(), ", "), "no such step")
	}
	return f.StepIn.Validate()
}

// RangeIn is the payload of uploadpart.
type RangeIn struct {
	StepIn
	Range int `json:"range"`
}

// Validate refuses a range below 1.
func (r RangeIn) Validate() error {
	if r.Range < 1 || r.Range > 40 {
		return refuse("range", "1 to 40", "no such range")
	}
	return r.StepIn.Validate()
}

// TaskToken resumes a parked execution. It is secret: it prints as dots.
type TaskToken string

// String hides the token.
func (TaskToken) String() string { return "..." }

// GoString hides the token.
func (TaskToken) GoString() string { return "..." }

// LogValue hides the token.
func (TaskToken) LogValue() slog.Value { return slog.StringValue("...") }

// ParkIn is the payload of park. For says which state parks: open or watch.
type ParkIn struct {
	StepIn
	Token TaskToken `json:"token"`
	For   string    `json:"for"`
}

// Validate refuses a missing token and an unknown state. The API bounds a token at 2,048 characters.
func (p ParkIn) Validate() error {
	switch {
	case p.Token == "" || len(p.Token) > 2048:
		return refuse("token", "1 to 2048 characters", "no usable task token")
	case p.For != "open" && p.For != "watch":
		return refuse("for", "open or watch", "no such park")
	}
	return p.StepIn.Validate()
}

// JobIn is the input of a schedule.
type JobIn struct {
	V   int    `json:"v"`
	Job string `json:"job"`
}

// Validate refuses another version and an empty job.
func (j JobIn) Validate() error {
	if j.V != 1 || j.Job == "" {
		return fault.InvalidField("handler.Decode", "job", "v 1 and a job", "not a scheduled job")
	}
	return nil
}
