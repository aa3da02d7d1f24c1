package vodtest

import (
	"context"

	"github.com/vodlift/vodlift/shared/vod"
)

func (p *Platform) job(ctx context.Context, op, id string) (string, error) {
	err := p.enter(ctx, op)
	if err != nil && !lost(err) {
		return "", err
	}
	v := p.videos[id]
	if v == nil {
		return "", notFound()
	}
	if v.Status == vod.StatusUploading || v.Status == vod.StatusUploadFail {
		p.breaches = append(p.breaches, op+" of a video that is "+v.Status)
	}
	return p.id(), err
}

// SubmitSnapshotJob implements vod.API.
func (p *Platform) SubmitSnapshotJob(ctx context.Context, s vod.Snapshot) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.Count < 1 {
		p.breaches = append(p.breaches, "SubmitSnapshotJob of no picture")
	}
	return p.job(ctx, "SubmitSnapshotJob", s.ID)
}

// SubmitAIMediaAuditJob implements vod.API.
func (p *Platform) SubmitAIMediaAuditJob(ctx context.Context, id, _ string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	job, err := p.job(ctx, "SubmitAIMediaAuditJob", id)
	if job != "" {
		p.audits[job] = vod.Audit{JobID: job, MediaID: id, Status: "processing"}
	}
	if err != nil {
		return "", err
	}
	return job, nil
}

// GetAIMediaAuditJob implements vod.API.
func (p *Platform) GetAIMediaAuditJob(ctx context.Context, job string) (vod.Audit, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(ctx, "GetAIMediaAuditJob"); err != nil {
		return vod.Audit{}, err
	}
	a, ok := p.audits[job]
	if !ok {
		return vod.Audit{}, notFound()
	}
	return a, nil
}

// SubmitTranscodeJobs implements vod.API.
func (p *Platform) SubmitTranscodeJobs(ctx context.Context, id, group, _ string) ([]vod.TranscodeJob, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if group == "" {
		p.breaches = append(p.breaches, "SubmitTranscodeJobs without a template group")
	}
	job, err := p.job(ctx, "SubmitTranscodeJobs", id)
	if err != nil {
		return nil, err
	}
	return []vod.TranscodeJob{{ID: job}}, nil
}
