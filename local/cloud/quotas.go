package cloud

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	sqtypes "github.com/aws/aws-sdk-go-v2/service/servicequotas/types"

	"github.com/vodlift/vodlift/shared/fault"
)

// book is every quota of one service, read once.
type book struct {
	quotas []sqtypes.ServiceQuota // the account's own first, then AWS's defaults
	err    error
}

func (b book) find(q Quota) (sqtypes.ServiceQuota, bool) {
	for _, have := range b.quotas {
		if q.Code != "" && aws.ToString(have.QuotaCode) == q.Code || q.Code == "" && strings.EqualFold(aws.ToString(have.QuotaName), q.Name) {
			return have, have.Value != nil
		}
	}
	return sqtypes.ServiceQuota{}, false
}

// readQuotas reads a service's quotas. The list of the account's own leaves out some that were never changed, so the
// defaults follow.
func (a *Account) readQuotas(ctx context.Context, service string) book {
	var b book
	own := servicequotas.NewListServiceQuotasPaginator(a.quotas, &servicequotas.ListServiceQuotasInput{ServiceCode: &service, MaxResults: aws.Int32(100)})
	for own.HasMorePages() {
		p, err := own.NextPage(ctx)
		if err != nil {
			return book{err: err}
		}
		b.quotas = append(b.quotas, p.Quotas...)
	}
	std := servicequotas.NewListAWSDefaultServiceQuotasPaginator(a.quotas, &servicequotas.ListAWSDefaultServiceQuotasInput{ServiceCode: &service, MaxResults: aws.Int32(100)})
	for std.HasMorePages() {
		p, err := std.NextPage(ctx)
		if err != nil {
			return book{err: err}
		}
		b.quotas = append(b.quotas, p.Quotas...)
	}
	return b
}

// checkQuotas compares each rate with what the settings need.
func (a *Account) checkQuotas(ctx context.Context, s Settings) []Line {
	books := map[string]book{}
	var out []Line
	for _, q := range s.Quotas() {
		b, ok := books[q.Service]
		if !ok {
			b = a.readQuotas(ctx, q.Service)
			books[q.Service] = b
			if b.err != nil {
				out = append(out, a.Failed("quotas of "+q.Service, b.err))
			}
		}
		if b.err != nil {
			continue
		}
		have, ok := b.find(q)
		if !ok {
			out = append(out, Line{What: q.What, State: Note, Have: "not told", Need: needText(q), Text: "Service Quotas does not name \"" + q.Name + "\" in " + a.Region + "; see the service's own page of quotas"})
			continue
		}
		q.Code = aws.ToString(have.QuotaCode)
		out = append(out, a.compare(ctx, q, *have.Value, *have.Value, have.Adjustable))
	}
	return out
}

func needText(q Quota) string { return fmt.Sprintf("%d %s", q.Need, q.Unit) }

// compare makes the line of a quota. free is what of it is left to us.
func (a *Account) compare(ctx context.Context, q Quota, value, free float64, adjustable bool) Line {
	l := Line{What: q.What, State: OK, Have: number(value), Need: needText(q), Text: q.Why}
	if free != value {
		l.Have = fmt.Sprintf("%s, %s of them free", number(value), number(free))
	}
	if free >= float64(q.Need) {
		return l
	}
	if p, ok := a.pending(ctx, q); ok {
		l.State, l.Whose = Turn, fault.ActorPlatform
		l.Text = fmt.Sprintf("too little for %s; %s was asked for on %s, and AWS has not decided yet", q.Why, number(aws.ToFloat64(p.DesiredValue)), aws.ToTime(p.Created).UTC().Format(time.DateOnly))
		l.Do = "wait for AWS's answer, or ask its support about the case"
		return l
	}
	l.State, l.Whose, l.Text = Turn, fault.ActorOperator, "too little for "+q.Why
	l.Do = q.Request(a.Region, max(q.Ask, q.Need))
	if !adjustable {
		l.Do = "AWS does not raise this one by itself; write to its support, or take another region"
	}
	return l
}

// pending is a request for more that AWS has not decided on. That it cannot be read changes nothing about the quota.
func (a *Account) pending(ctx context.Context, q Quota) (sqtypes.RequestedServiceQuotaChange, bool) {
	out, err := a.quotas.ListRequestedServiceQuotaChangeHistoryByQuota(ctx, &servicequotas.ListRequestedServiceQuotaChangeHistoryByQuotaInput{ServiceCode: &q.Service, QuotaCode: &q.Code})
	if err != nil {
		return sqtypes.RequestedServiceQuotaChange{}, false
	}
	for _, r := range out.RequestedQuotas {
		if (r.Status == sqtypes.RequestStatusPending || r.Status == sqtypes.RequestStatusCaseOpened) && aws.ToFloat64(r.DesiredValue) >= float64(q.Need) {
			return r, true
		}
	}
	return sqtypes.RequestedServiceQuotaChange{}, false
}

// checkConcurrency: new accounts run 10 functions at once, whatever Service Quotas calls the default, so Lambda itself is
// asked.
func (a *Account) checkConcurrency(ctx context.Context, s Settings) Line {
	out, err := a.lambda.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err == nil && out.AccountLimit == nil {
		err = errors.New("Lambda's answer names no limit")
	}
	if err != nil {
		return a.Failed("functions at once", err)
	}
	total, free := int(out.AccountLimit.ConcurrentExecutions), total32(out.AccountLimit.UnreservedConcurrentExecutions)
	q := s.Concurrency(total - free)
	l := a.compare(ctx, q, float64(total), float64(free), true)
	if l.State == Turn && free >= headroom+1 {
		l.Text += "; until there is more, deploy with PoolGlobal=" + fmt.Sprint(free-headroom)
	}
	if l.State == OK && total <= 100 {
		l.Text += "; with 100 or fewer in all, AWS lets no function reserve any, and the template reserves none"
	}
	return l
}

func total32(v *int32) int {
	if v == nil {
		return 0
	}
	return int(*v)
}
