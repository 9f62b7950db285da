"""The report's words for what a run tells of its speed and of the network's inside: a key, English, Chinese (see vocabulary.py)."""

from __future__ import annotations

TRAINING: dict[str, tuple[str, str]] = {
    # sentences
    "speed_lead": ("{said}.", "{said}。"),
    "rate_lead": ("It read {rate} tokens a second in the median", "中位速度为每秒 {rate} 个词元"),
    "mfu_lead": (", {share} of the machine's measured matrix peak", "，为本机实测矩阵峰值的 {share}"),
    "wait_lead": (", waiting for data {share} of the time", "，等待数据占用时间的 {share}"),
    "energy_lead": (", and the machine used {energy} kWh", "，机器耗电 {energy} 千瓦时"),
    "rollbacks_lead": ("It went back to an earlier state after {steps}.", "在 {steps}之后曾退回较早的状态。"),
    # what was done meanwhile
    "measures_title": ("What was done about it", "采取的措施"),
    "measures_note": (
        "Each incident has a report of its own in the artifact: which rows of the batch stood out, and what came before.",
        "每个事件在产物中另有报告：批次中哪些行异常，以及此前的情形。",
    ),
    "measures_why": ("Why", "原因"),
    "measures_done": ("What was done", "措施"),
    "measures_report": ("Report", "报告"),
    "incident_refused": ("updates refused", "拒绝更新"),
    "incident_rollback": ("went back", "回退"),
    "incident_lost": ("training lost", "训练中止"),
    "incident_reload": ("memory reloaded", "重新载入内存"),
    "changes_title": ("Changed while it ran", "运行中的改动"),
    "changes_note": (
        "Asked for by headwater steer. A recipe with these lines under changes: makes the same model again.",
        "由 headwater steer 提出。在配方的 changes: 下写入这些行，即可再次得到同一模型。",
    ),
    "changes_said": ("Change", "改动"),
    "after_step": ("After step", "步之后"),
    # captions
    "chart_mfu": ("Share of the matrix peak (MFU)", "矩阵峰值利用率（MFU）"),
    "chart_wait": ("Waiting for data", "等待数据"),
    "chart_parts": ("Gradient norm by part", "各部分的梯度范数"),
    "chart_updates": ("Update to weight, by part", "各部分的更新与权重之比"),
    "chart_depth": ("Activations by depth", "各层的激活"),
    "chart_logits": ("Largest attention score", "最大注意力分数"),
    "chart_dead": ("Units that never fire", "从不激活的单元"),
    # axes
    "axis_mfu": ("Share of the peak", "占峰值之比"),
    "axis_wait": ("Share of the step", "占单步时间之比"),
    "axis_parts": ("Norm before clipping", "裁剪前的范数"),
    "axis_updates": ("‖update‖ / ‖weight‖", "更新范数／权重范数"),
    "axis_block": ("Block", "层"),
    "axis_rms": ("RMS of the stream", "残差流的均方根"),
    "axis_logits": ("Score, largest of all blocks", "分数（各层最大）"),
    "axis_dead": ("Share, largest of all blocks", "占比（各层最大）"),
    "memory_peak": ("Most so far", "峰值"),
    "memory_now": ("At each step", "逐步"),
    "part_embedding": ("Embedding", "嵌入"),
    "part_attention": ("Attention", "注意力"),
    "part_feed_forward": ("Feed-forward", "前馈"),
    "part_head": ("Head", "输出头"),
    "part_other": ("Others", "其余"),
    "back_to": ("back to step {step}", "退回第 {step} 步"),
}
