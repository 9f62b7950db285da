"""Teaching a pretrained model what people want: supervised fine-tuning on dialogues."""
